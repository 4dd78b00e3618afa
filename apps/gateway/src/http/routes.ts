import type { FastifyInstance } from 'fastify';

interface Route {
  methods: string[];
  pattern: RegExp;
}

const routesOf = new WeakMap<object, Route[]>();

/** Remembers every route, so that a wrong method can be told from a wrong path. */
export function rememberRoutes(server: FastifyInstance): void {
  const routes: Route[] = [];
  routesOf.set(server.server, routes);
  server.addHook('onRoute', ({ method, url }) => {
    if (url.includes('*')) return;
    const pattern = new RegExp(`^${url.replaceAll('.', '\\.').replaceAll(/:\w+/g, '[^/]+')}$`);
    routes.push({ methods: [method].flat(), pattern });
  });
}

/** @returns the methods that the path knows; empty for an unknown path */
export function allowedMethods(server: FastifyInstance, path: string): string[] {
  const matching = (routesOf.get(server.server) ?? []).filter((route) => route.pattern.test(path));
  return [...new Set(matching.flatMap((route) => route.methods))].sort();
}
