import { Migration } from '@mikro-orm/migrations';

/**
 * The triggers that keep search documents plan their statements once per connection, maybe while there are hardly any
 * tickets. Such a plan reads whole tables, and would go on to do so with each mail while they fill.
 */
export class SearchPlans extends Migration {
  override up(): void {
    this.addSql(
      ['search_entries', 'search_names']
        .map(
          (name) =>
            `alter function tickets.${name}() set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off;`,
        )
        .join('\n'),
    );
  }
}
