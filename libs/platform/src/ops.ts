/**
 * What an operator asks a process: is it alive, is it ready (and if not, what is missing), and its figures.
 *
 * - live: the event loop turns. Nothing else, so that a lost database does not get the process killed.
 * - ready: every registered check passes; what fails is named with its reason.
 */
import { Controller, Get, Header, Module, Res, type DynamicModule } from '@nestjs/common';
import { collectDefaultMetrics, register } from 'prom-client';

const CHECK_TIMEOUT_MS = 2_000;

export interface Failing {
  name: string;
  reason: string;
}

export class Readiness {
  private readonly checks = new Map<string, () => Promise<unknown> | void>();
  private closing = false;

  /** @param check throws or rejects while the thing is not usable */
  register(name: string, check: () => Promise<unknown> | void): void {
    this.checks.set(name, check);
  }

  unregister(name: string): void {
    this.checks.delete(name);
  }

  startClosing(): void {
    this.closing = true;
  }

  /** What is not ready; empty when all is well. */
  async failing(): Promise<Failing[]> {
    if (this.closing) return [{ name: 'service', reason: 'shutting down' }];
    const results = await Promise.all(
      [...this.checks].map(async ([name, check]) => {
        const reason = await withTimeout(check).then(
          () => null,
          (error: unknown) => (error instanceof Error ? error.message : String(error)),
        );
        return reason === null ? [] : [{ name, reason }];
      }),
    );
    return results.flat();
  }
}

async function withTimeout(check: () => Promise<unknown> | void): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${CHECK_TIMEOUT_MS} ms`)), CHECK_TIMEOUT_MS);
  });
  try {
    await Promise.race([(async () => check())(), limit]);
  } finally {
    clearTimeout(timer);
  }
}

interface StatusReply {
  status(code: number): unknown;
}

@Controller('health')
export class HealthController {
  constructor(private readonly readiness: Readiness) {}

  /** The process is alive. */
  @Get('live')
  live(): { status: 'alive' } {
    return { status: 'alive' };
  }

  /** Everything that the service needs is there; otherwise 503 names what is not. */
  @Get('ready')
  async ready(
    @Res({ passthrough: true }) reply: StatusReply,
  ): Promise<{ status: 'ready' | 'not_ready'; failing: Failing[] }> {
    const failing = await this.readiness.failing();
    if (failing.length > 0) reply.status(503);
    return { status: failing.length === 0 ? 'ready' : 'not_ready', failing };
  }
}

@Controller('metrics')
export class MetricsController {
  /** Prometheus text format. */
  @Get()
  @Header('content-type', register.contentType)
  async metrics(): Promise<string> {
    return register.metrics();
  }
}

/** The web application on a service's operations port. */
@Module({})
export class OpsModule {
  static with(readiness: Readiness, service: string): DynamicModule {
    register.setDefaultLabels({ service });
    collectDefaultMetrics();
    return {
      module: OpsModule,
      controllers: [HealthController, MetricsController],
      providers: [{ provide: Readiness, useValue: readiness }],
    };
  }
}
