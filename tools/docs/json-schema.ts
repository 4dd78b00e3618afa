/**
 * JSON Schemas of the message classes. The rules come from class-validator, as the running services apply them; what
 * class-validator does not know (comments, which fields may be null, the class of a nested field) from the source text.
 */
import { getMetadataStorage } from 'class-validator';
import { readdirSync, readFileSync } from 'node:fs';
import ts from 'typescript';

export type Schema = Record<string, unknown>;
type Class = new () => object;

interface FieldSource {
  comment: string;
  optional: boolean;
  nullable: boolean;
  /** The type's name without `[]` and `| null`, such as `TicketView` or `string`. */
  typeName: string;
}

interface ClassSource {
  comment: string;
  base: string | null;
  fields: Map<string, FieldSource>;
}

/** Reads every class below a directory, by name. */
export function readClasses(directory: URL): Map<string, ClassSource> {
  const classes = new Map<string, ClassSource>();
  for (const name of readdirSync(directory).filter((file) => /(?<!\.spec)\.ts$/.test(file))) {
    const text = readFileSync(new URL(name, directory), 'utf8');
    const file = ts.createSourceFile(name, text, ts.ScriptTarget.ESNext, true);
    for (const node of file.statements.filter(ts.isClassDeclaration)) {
      if (node.name) classes.set(node.name.text, readClass(node));
    }
  }
  return classes;
}

function readClass(node: ts.ClassDeclaration): ClassSource {
  const base = node.heritageClauses?.[0]?.types[0]?.expression.getText() ?? null;
  const fields = node.members.filter(ts.isPropertyDeclaration).map((member) => {
    const parts = member.type && ts.isUnionTypeNode(member.type) ? [...member.type.types] : [member.type];
    const texts = parts.map((part) => part?.getText() ?? 'unknown');
    const field: FieldSource = {
      comment: commentOf(member),
      optional: member.questionToken !== undefined,
      nullable: texts.includes('null'),
      typeName: (texts.find((text) => text !== 'null') ?? 'unknown').replace(/\[\]$/, ''),
    };
    return [member.name.getText(), field] as const;
  });
  return { comment: commentOf(node), base, fields: new Map(fields) };
}

function commentOf(node: ts.Node): string {
  const [comment] = ts.getJSDocCommentsAndTags(node).filter(ts.isJSDoc);
  const text = ts.getTextOfJSDocComment(comment?.comment) ?? '';
  return text.replaceAll(/\s*\n\s*/g, ' ').trim();
}

/** Describes the classes and everything that they contain, by class name in alphabetical order. */
export function schemasOf(roots: Class[], known: Record<string, unknown>, sources: Map<string, ClassSource>) {
  const schemas = new Map<string, Schema>();
  const add = (messageClass: Class): void => {
    if (schemas.has(messageClass.name)) return;
    schemas.set(messageClass.name, {}); // classes may contain each other
    const { schema, nested } = schemaOf(messageClass, sources);
    schemas.set(messageClass.name, schema);
    for (const name of nested) add(known[name] as Class);
  };
  roots.forEach(add);
  return Object.fromEntries([...schemas].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function schemaOf(messageClass: Class, sources: Map<string, ClassSource>): { schema: Schema; nested: string[] } {
  const source = sources.get(messageClass.name)!;
  const fields = inheritedFields(source, sources);
  const rules = Map.groupBy(
    getMetadataStorage().getTargetValidationMetadatas(messageClass, '', false, false),
    ({ propertyName }) => propertyName,
  );
  const nested: string[] = [];
  const properties: Record<string, Schema> = {};
  for (const [name, field] of fields) {
    const own = rules.get(name);
    if (!own) throw new Error(`${messageClass.name}.${name} has no validation rule`);
    if (own.some(({ type }) => type === 'nestedValidation')) nested.push(field.typeName);
    properties[name] = fieldSchema(field, own.map(ruleOf));
  }
  const required = [...fields].filter(([, field]) => !field.optional).map(([name]) => name);
  const description = source.comment && { description: source.comment };
  return { schema: { type: 'object', ...description, properties, required }, nested };
}

function inheritedFields(source: ClassSource, sources: Map<string, ClassSource>): Map<string, FieldSource> {
  const base = source.base === null ? undefined : sources.get(source.base);
  return new Map([...(base ? inheritedFields(base, sources) : []), ...source.fields]);
}

interface Rule {
  name: string;
  each: boolean;
  constraints: unknown[];
}

function ruleOf({ type, name, each, constraints }: RuleMetadata): Rule {
  return { name: name ?? type, each: each ?? false, constraints: constraints ?? [] };
}

type RuleMetadata = ReturnType<ReturnType<typeof getMetadataStorage>['getTargetValidationMetadatas']>[number];

function fieldSchema(field: FieldSource, rules: Rule[]): Schema {
  const isArray = rules.some(({ name }) => name === 'isArray') || rules.some(({ each }) => each);
  const value = Object.assign({}, ...rules.filter(({ each }) => each === isArray).map((r) => constraint(r, field)));
  let schema: Schema = value as Schema;
  if (isArray) {
    const list = Object.assign({}, ...rules.filter(({ each }) => !each).map((rule) => listConstraint(rule))) as Schema;
    const items = rules.some(({ name }) => name === 'nestedValidation') ? reference(field.typeName) : schema;
    schema = { type: 'array', items, ...list };
  }
  if (field.nullable) schema = nullable(schema);
  return field.comment ? { description: field.comment, ...schema } : schema;
}

function nullable(schema: Schema): Schema {
  if ('$ref' in schema) return { oneOf: [schema, { type: 'null' }] };
  const values = schema['enum'] as unknown[] | undefined;
  return { ...schema, type: [schema['type'], 'null'], ...(values && { enum: [...values, null] }) };
}

const reference = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` });

function listConstraint({ name, constraints: [first] }: Rule): Schema {
  return name === 'arrayMaxSize' ? { maxItems: first } : {};
}

/** @throws Error for a rule that has no translation yet, so that none is lost silently */
function constraint({ name, constraints: [first, second] }: Rule, { typeName }: FieldSource): Schema {
  switch (name) {
    case 'nestedValidation':
      return reference(typeName);
    case 'conditionalValidation':
    case 'isOptional':
      return {}; // the source says what may be left out or null
    case 'isIn':
      return { type: 'string', enum: [...(first as string[])] };
    case 'isString':
      return { type: 'string' };
    case 'isUuid':
      return { type: 'string', format: 'uuid' };
    case 'isIso8601':
      return { type: 'string', format: 'date-time' };
    case 'isEmail':
      return { type: 'string', format: 'email' };
    case 'matches':
      return { type: 'string', pattern: (first as RegExp).source };
    case 'isLength':
      return { minLength: first, maxLength: second };
    case 'isNotEmpty':
      return { minLength: 1 };
    case 'maxLength':
      return { maxLength: first };
    case 'isBoolean':
      return { type: 'boolean' };
    case 'isInt':
      return { type: 'integer' };
    case 'isNumber':
      return { type: 'number' };
    case 'min':
      return { minimum: first };
    case 'max':
      return { maximum: first };
    case 'isObject':
      return { type: 'object' };
    default:
      throw new Error(`no JSON Schema for the rule ${name}`);
  }
}
