export * from './addresses.js';
export {
  authenticate,
  parseAuthenticationResults,
  type AuthenticationTrust,
  type MethodResult,
  type SenderAuthentication,
  type Verdict,
} from './authentication.js';
export * from './base-subject.js';
export * from './bounce.js';
export { BOUNCE_KINDS, type BounceKind } from './bounce-kind.js';
export * from './classify.js';
export * from './compose.js';
export { fallbackMail, LOOP_HEADER, TICKET_HEADER } from './fields.js';
export * from './headers.js';
export { arrivalsAt } from './hops.js';
export * from './html-text.js';
export * from './mail.js';
export * from './parse.js';
export * from './reply-token.js';
export * from './sanitise.js';
export { isListed, spamSign } from './spam.js';
export * from './thread.js';
export * from './trim.js';
export { cleanLine, cleanName, cleanText, cutText } from './charset.js';
