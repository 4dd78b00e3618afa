/** `new Date()` asks the clock; `new Date(instant)` only converts. */
export const noClock = {
  create(context) {
    return {
      NewExpression(node) {
        if (node.callee.name !== 'Date' || node.arguments.length > 0) return;
        context.report({ node, message: 'The time is handed in.' });
      },
    };
  },
};
