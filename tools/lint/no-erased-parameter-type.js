/** Decorators whose parameter's class Nest reads at run time, to validate what comes in. */
const READS_CLASS = new Set(['Body', 'Query', 'Param', 'Headers', 'Payload']);

/**
 * `@Body() input: NewTicket` with `import type { NewTicket }`: the class is gone at run time, and the input silently
 * goes unvalidated. The compiler does not mind.
 */
export const noErasedParameterType = {
  create(context) {
    const erased = new Set();
    return {
      ImportDeclaration(node) {
        for (const specifier of node.specifiers) {
          if (node.importKind === 'type' || specifier.importKind === 'type') erased.add(specifier.local.name);
        }
      },
      MethodDefinition({ value }) {
        for (const parameter of value.params) {
          const name = parameter.typeAnnotation?.typeAnnotation?.typeName?.name;
          const decorators = parameter.decorators ?? [];
          if (!erased.has(name) || !decorators.some(({ expression }) => READS_CLASS.has(expression.callee?.name)))
            continue;
          context.report({
            node: parameter,
            message: `'${name}' is imported as a type only: this input is not validated.`,
          });
        }
      },
    };
  },
};
