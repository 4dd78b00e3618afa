import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { PROBLEM_TYPE, Problem } from './problems/problem.js';

/** The API's description: operations and shapes from the controllers, and one problem document for all failures. */
export function describeApi(app: INestApplication): OpenAPIObject {
  const config = new DocumentBuilder()
    .setTitle('Help desk')
    .setDescription('Tickets, their service-level clocks and their timelines. Failures are RFC 9457 problem details.')
    .setVersion('1')
    .addBearerAuth()
    .build();
  const document = SwaggerModule.createDocument(app, config, {
    extraModels: [Problem],
    operationIdFactory: (controller, method) => `${controller.replace('Controller', '').toLowerCase()}_${method}`,
  });
  const failure = {
    description: 'A problem document (RFC 9457)',
    content: { [PROBLEM_TYPE]: { schema: { $ref: '#/components/schemas/Problem' } } },
  };
  for (const path of Object.values(document.paths)) {
    for (const method of ['get', 'post', 'patch'] as const) {
      const operation = path[method];
      if (operation) operation.responses['default'] = failure;
    }
  }
  return document;
}
