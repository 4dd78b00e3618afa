/** Lint rules of this repository's own, for oxlint. */

/** Decorators whose parameter's class Nest reads at run time, to validate what comes in. */
const READS_CLASS = new Set(['Body', 'Query', 'Param', 'Headers', 'Payload']);

/**
 * `@Body() input: CreateTicketDto` with `import type { CreateTicketDto }`: the class is gone at run time, and the
 * input silently goes unvalidated. The compiler does not mind.
 */
const noErasedParameterType = {
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
          const decorators = parameter.decorators ?? [];
          const type = parameter.typeAnnotation?.typeAnnotation;
          if (type?.type !== 'TSTypeReference' || !erased.has(type.typeName.name)) continue;
          if (!decorators.some(({ expression }) => READS_CLASS.has(expression.callee?.name))) continue;
          const message = `${type.typeName.name} is imported as a type only, so this input would not be validated`;
          context.report({ node: type, message });
        }
      },
    };
  },
};

export default {
  meta: { name: 'helpdesk' },
  rules: { 'no-erased-parameter-type': noErasedParameterType },
};
