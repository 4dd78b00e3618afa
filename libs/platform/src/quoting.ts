/** How the ORM's statements quote text. */
import { type Configuration, PostgreSqlDriver } from '@mikro-orm/postgresql';

/**
 * MikroORM writes values into its statements, and quotes a text character by character: for mails that took longer than
 * all the rest of writing them. This driver quotes the same way, a text at a time.
 */
export class QuickQuotingDriver extends PostgreSqlDriver {
  constructor(config: Configuration) {
    super(config);
    const { platform } = this;
    const escape = platform.escape.bind(platform);
    platform.escape = (value: unknown) => (typeof value === 'string' ? quoteLiteral(value) : escape(value));
  }
}

/** A string constant of PostgreSQL, whatever `standard_conforming_strings` says: `'it''s'`, ` E'a\\b'`. */
export function quoteLiteral(text: string): string {
  const quoted = text.replaceAll("'", "''");
  return text.includes('\\') ? ` E'${quoted.replaceAll('\\', '\\\\')}'` : `'${quoted}'`;
}
