/** Lint rules of this repository's own, for oxlint. */
import { boundaries } from './boundaries.js';
import { noClock } from './no-clock.js';
import { noErasedParameterType } from './no-erased-parameter-type.js';

export default {
  meta: { name: 'helpdesk' },
  rules: { boundaries, 'no-clock': noClock, 'no-erased-parameter-type': noErasedParameterType },
};
