/**
 * A contract names one message between services and gives its shape: the class is the type, the validator and the
 * documentation. Subjects are written here and nowhere else.
 *
 * - rpc: a command or query over core NATS request/reply. The reply is a value, or a refusal that the caller can act on.
 * - event: a fact on the JetStream stream TICKETS, in a CloudEvents 1.0 envelope.
 */
import 'reflect-metadata';
import { Type } from 'class-transformer';
import { IsArray, IsOptional, IsString, ValidateNested } from 'class-validator';

export type ClassOf<T> = new () => T;

export interface Rpc<Request extends object, Reply extends object> {
  readonly kind: 'rpc';
  readonly subject: string;
  readonly request: ClassOf<Request>;
  readonly reply: ClassOf<Reply>;
}

export interface EventContract<Data extends object> {
  readonly kind: 'event';
  /** The CloudEvents type. The NATS subject is the type followed by the ticket number: `ticket.created.v1.1042`. */
  readonly type: string;
  readonly data: ClassOf<Data>;
}

export function rpc<Request extends object, Reply extends object>(
  subject: string,
  request: ClassOf<Request>,
  reply: ClassOf<Reply>,
): Rpc<Request, Reply> {
  return { kind: 'rpc', subject, request, reply };
}

export function event<Data extends object>(type: string, data: ClassOf<Data>): EventContract<Data> {
  return { kind: 'event', type, data };
}

/** One broken rule: which field, which rule (a stable code) and a readable sentence. */
export class FieldError {
  /** The field's path in the request, e.g. `assignee`; empty when the whole request is meant. */
  @IsString()
  field: string;

  /** A stable code, e.g. `comment_required`. */
  @IsString()
  code: string;

  @IsString()
  message: string;
}

/** An expected "no" as a value: nothing was changed. */
export class Refused {
  @IsArray()
  @ValidateNested({ each: true })
  @Type(() => FieldError)
  refusals: FieldError[];

  /** With `version_conflict`: the version that the ticket has now. */
  @IsOptional()
  currentVersion?: number;
}

export function refuse(...refusals: FieldError[]): Refused {
  return Object.assign(new Refused(), { refusals });
}

export function isRefused(value: unknown): value is Refused {
  return value instanceof Refused;
}
