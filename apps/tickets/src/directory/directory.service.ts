import {
  refuse,
  type AffectedTicket,
  type Authenticate,
  type Authenticated,
  type GetImpact,
  type Impact,
  type InfrastructurePage,
  type InfrastructureView,
  type ListDirectory,
  type PersonPage,
  type PersonView,
  type Reference,
  type Refused,
} from '#contracts';
import type { PersonKind } from '#domain';
import { poolOf, type Sql } from '#platform';
import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { MikroORM } from '@mikro-orm/postgresql';
import { hashPassword, passwordMatches } from './password.js';

const viewerUnknown = () => refuse({ field: 'viewerId', code: 'viewer_unknown', message: 'the account is not active' });
const cursorInvalid = () => refuse({ field: 'after', code: 'cursor_invalid', message: 'not a cursor of this list' });

interface PersonRow {
  id: string;
  kind: PersonKind;
  name: string;
  email: string;
  active: boolean;
  organisation: Reference | null;
}

const PERSON = `p.id, p.kind, p.name, p.email, p.active,
  case when o.id is not null then jsonb_build_object('id', o.id, 'name', o.name) end as organisation`;

const INFRASTRUCTURE = `i.id, i.name, i.kind,
  case when site.id is not null then jsonb_build_object('id', site.id, 'name', site.name) end as parent,
  jsonb_build_object('id', o.id, 'name', o.name) as organisation`;

const FROM_INFRASTRUCTURE = `tickets.infrastructure i
  join tickets.organisation o on o.id = i.organisation_id
  left join tickets.infrastructure site on site.id = i.parent_id`;

/** More levels than any tree has: a circle that slipped in ends here. */
const MAX_DEPTH = 20;
const MAX_PARTS = 1_000;
const MAX_AFFECTED = 200;

@Injectable()
export class DirectoryService implements OnModuleInit {
  private sql: Sql;
  /** Checked when nobody has the address, so that the answer takes as long as for a wrong password. */
  private readonly decoyHash = hashPassword('nobody has this password');

  constructor(@Inject(MikroORM) private readonly orm: MikroORM) {}

  async onModuleInit(): Promise<void> {
    this.sql = await poolOf(this.orm);
  }

  async authenticate({ email, password }: Authenticate): Promise<Authenticated | Refused> {
    const { rows } = await this.sql.query<PersonRow & { password_hash: string | null }>(
      `select ${PERSON}, p.password_hash from tickets.person p
       left join tickets.organisation o on o.id = p.organisation_id
       where p.email = $1 and p.active`,
      [email.toLowerCase()],
    );
    const { password_hash: hash = null, ...person } = rows[0] ?? {};
    const matches = await passwordMatches(hash ?? (await this.decoyHash), password);
    if (!matches || hash === null) {
      const message = 'address and password do not belong together';
      return refuse({ field: '', code: 'credentials_invalid', message });
    }
    return { person: person as PersonView };
  }

  async people({ viewerId, kind, after, limit }: ListDirectory): Promise<PersonPage | Refused> {
    const viewer = await this.viewer(viewerId);
    if (!viewer) return viewerUnknown();
    if (viewer.kind !== 'employee') {
      return refuse({ field: '', code: 'employees_only', message: 'only employees may list people' });
    }
    const cursor = parseCursor(after);
    if (!cursor) return cursorInvalid();
    const { rows } = await this.sql.query<PersonRow>(
      `select ${PERSON} from tickets.person p left join tickets.organisation o on o.id = p.organisation_id
       where (p.name, p.id) > ($1, $2) and ($3::text is null or p.kind = $3)
       order by p.name, p.id limit $4`,
      [...cursor, kind ?? null, limit + 1],
    );
    return page(rows, limit);
  }

  async infrastructures({ viewerId, after, limit }: ListDirectory): Promise<InfrastructurePage | Refused> {
    const viewer = await this.viewer(viewerId);
    if (!viewer) return viewerUnknown();
    const cursor = parseCursor(after);
    if (!cursor) return cursorInvalid();
    const { rows } = await this.sql.query<InfrastructureView>(
      `select ${INFRASTRUCTURE}
       from ${FROM_INFRASTRUCTURE}
       where (i.name, i.id) > ($1, $2) and ($3 or o.id = $4)
       order by i.name, i.id limit $5`,
      [...cursor, viewer.kind === 'employee', viewer.organisation_id, limit + 1],
    );
    return page(rows, limit);
  }

  async impact({ viewerId, infrastructureId }: GetImpact): Promise<Impact | Refused> {
    const viewer = await this.viewer(viewerId);
    if (!viewer) return viewerUnknown();
    const { rows: infrastructures } = await this.sql.query<InfrastructureView>(
      `with recursive part (id, depth) as (
         select id, 0 from tickets.infrastructure where id = $1 and ($2 or organisation_id = $3)
         union all
         select child.id, part.depth + 1 from part join tickets.infrastructure child on child.parent_id = part.id
         where part.depth < ${MAX_DEPTH}
       )
       select ${INFRASTRUCTURE} from part join ${FROM_INFRASTRUCTURE} on i.id = part.id
       order by part.depth, i.name limit ${MAX_PARTS}`,
      [infrastructureId, viewer.kind === 'employee', viewer.organisation_id],
    );
    if (infrastructures.length === 0) {
      const message = 'there is no such infrastructure';
      return refuse({ field: 'infrastructureId', code: 'infrastructure_unknown', message });
    }
    const { rows: tickets } = await this.sql.query<AffectedTicket & { count: string }>(
      `select t.id, t.number, t.subject, t.status, t.priority, count(*) over () as count,
         jsonb_build_object('id', i.id, 'name', i.name) as infrastructure
       from tickets.ticket t join tickets.infrastructure i on i.id = t.infrastructure_id
       where t.infrastructure_id = any($1::uuid[]) and t.status <> 'closed' and ($2 or t.organisation_id = $3)
       order by t.number desc limit ${MAX_AFFECTED}`,
      [infrastructures.map(({ id }) => id), viewer.kind === 'employee', viewer.organisation_id],
    );
    const organisations = new Map(infrastructures.map(({ organisation }) => [organisation.id, organisation]));
    return {
      infrastructures,
      organisations: [...organisations.values()],
      tickets: tickets.map(({ count: _count, ...ticket }) => ticket),
      ticketCount: Number(tickets[0]?.count ?? 0),
    };
  }

  private async viewer(id: string) {
    const { rows } = await this.sql.query<{ kind: PersonKind; organisation_id: string | null }>(
      'select kind, organisation_id from tickets.person where id = $1 and active',
      [id],
    );
    return rows[0];
  }
}

const FIRST: [string, string] = ['', '00000000-0000-0000-0000-000000000000'];

/** A cursor is the last row's id and name. */
function parseCursor(after: string | undefined): [name: string, id: string] | undefined {
  if (after === undefined) return FIRST;
  const match = /^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})([^\0]*)$/u.exec(
    Buffer.from(after, 'base64url').toString(),
  );
  return match ? [match[2]!, match[1]!] : undefined;
}

function page<Row extends { id: string; name: string }>(rows: Row[], limit: number) {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  const next = rows.length > limit && last ? Buffer.from(last.id + last.name).toString('base64url') : null;
  return { items, next };
}
