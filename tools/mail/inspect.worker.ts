import { createReadStream, statSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import { inspectMail, type Inspection } from './inspection.ts';

parentPort!.on('message', (file: string) => {
  void inspectFile(file).then((inspection) => parentPort!.postMessage(JSON.stringify(inspection)));
});

async function inspectFile(file: string): Promise<Inspection> {
  try {
    return await inspectMail(file, statSync(file).size, createReadStream(file));
  } catch (error) {
    return { file, error: error instanceof Error ? error.message : String(error) };
  }
}
