/**
 * `node --import` this first: stack traces then name lines of the sources. Node's own flag for it would also read, and keep,
 * the maps of every package, which costs a tenth of the CPU time and of the memory.
 */
import { setSourceMapsSupport } from 'node:module';

setSourceMapsSupport(true, { nodeModules: false, generatedCode: false });
