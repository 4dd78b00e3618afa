import { Migration } from '@mikro-orm/migrations';

/** How far live tickets have gone over to each version that replaced another. */
export class PolicyMoves extends Migration {
  override up(): void {
    this.addSql(`
      create table tickets.policy_move (
        to_version integer primary key references tickets.policy_version,
        from_version integer not null references tickets.policy_version,
        policy text not null references tickets.policy,
        requested_at timestamptz(0) not null,
        total integer not null,
        moved integer not null default 0,
        finished_at timestamptz(0)
      );
      create index policy_move_policy on tickets.policy_move (policy, to_version desc);
      create index policy_move_unfinished on tickets.policy_move (to_version) where finished_at is null;
    `);
  }
}
