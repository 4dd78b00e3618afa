export * from './contract.js';
export * from './directory.message.js';
export * from './ticket.message.js';
export * from './mail.message.js';
export * from './policy.message.js';
export * from './ticket.event.js';
export * from './clocks.message.js';
export * from './link.message.js';
