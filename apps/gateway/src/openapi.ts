/** The API's own description, from the controllers, their comments and the message classes. */
import * as contracts from '#contracts';
import { PRIORITIES, RESOLUTION_TYPES, STATUSES, SUSPENSION_CAUSES } from '#domain';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';
import { getMetadataStorage } from 'class-validator';

interface Property {
  type?: string | string[];
  format?: string;
}

const DESCRIPTION = `Tickets of a help desk: open, list, view, change and answer them.

Log in at \`POST /auth/token\` and send the access token as \`Authorization: Bearer …\`. Customers see the tickets of their
own organisation and those that are shared with them, and never an internal note. Errors are problem documents (RFC 9457) that name every offending field by
a stable code. Durations are in seconds, instants in ISO 8601 and UTC. Send \`X-Correlation-Id\` to find a request again in
the logs; the answer carries it in any case.`;

export function describeApi(app: NestFastifyApplication): OpenAPIObject {
  const config = new DocumentBuilder()
    .setTitle('Help desk')
    .setDescription(DESCRIPTION)
    .setVersion('1')
    .setOpenAPIVersion('3.1.0')
    .addBearerAuth()
    .addTag('auth', 'Who asks')
    .addTag('tickets', 'Open, view and change')
    .addTag('participants', 'Who follows a ticket')
    .addTag('tags', 'The house’s own words on tickets')
    .addTag('timeline', 'Messages, notes and history')
    .addTag('attachments', 'Files and raw mail')
    .addTag('directory', 'People and network infrastructures')
    .addTag('webhooks', 'Events for systems without NATS')
    .addTag('health', 'For operators')
    .build();
  const document = SwaggerModule.createDocument(app, config, {
    operationIdFactory: (_controller, method) => method,
  });
  nameValuesOfChange(document);
  sharpenTypes(document);
  nameUuidsInPaths(document);
  return document;
}

/** The page at /docs and the document at /openapi.json. */
export function serveDocumentation(app: NestFastifyApplication): void {
  SwaggerModule.setup('docs', app, () => describeApi(app), { jsonDocumentUrl: 'openapi.json', raw: ['json'] });
}

/** The ticket rules check these values, so the message class leaves them open; whoever calls wants to know them. */
function nameValuesOfChange(document: OpenAPIObject): void {
  const values: Record<string, readonly string[]> = {
    status: STATUSES,
    priority: PRIORITIES,
    suspensionCause: SUSPENSION_CAUSES,
    closeResolutionType: RESOLUTION_TYPES,
    resolutionType: RESOLUTION_TYPES,
  };
  const properties = propertiesOf(document, 'TicketChange');
  for (const [name, known] of Object.entries(values)) Object.assign(properties[name] ?? {}, { enum: known });
}

/** What the compiler plugin does not read from the validators: whole numbers and instants. */
function sharpenTypes(document: OpenAPIObject): void {
  for (const messageClass of Object.values<unknown>(contracts)) {
    if (typeof messageClass !== 'function') continue;
    const properties = propertiesOf(document, messageClass.name);
    for (const rule of getMetadataStorage().getTargetValidationMetadatas(messageClass, '', false, false)) {
      const property = properties[rule.propertyName];
      if (!property) continue;
      if (rule.name === 'isIso8601') property.format = 'date-time';
      if (rule.name !== 'isInt') continue;
      property.type = Array.isArray(property.type) ? ['integer', 'null'] : 'integer';
    }
  }
}

function nameUuidsInPaths(document: OpenAPIObject): void {
  const parameters = Object.values(document.paths).flatMap((path) =>
    Object.values(path as Record<string, { parameters?: { in: string; schema?: Property }[] }>).flatMap(
      (operation) => operation.parameters ?? [],
    ),
  );
  for (const { in: place, schema } of parameters) if (place === 'path' && schema) schema.format = 'uuid';
}

function propertiesOf(document: OpenAPIObject, schemaName: string): Record<string, Property> {
  const schema = document.components?.schemas?.[schemaName];
  return schema && 'properties' in schema ? (schema.properties as Record<string, Property>) : {};
}
