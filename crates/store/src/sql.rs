//! The statements, read from `sql/` when the crate is built.

/// One statement with its name.
#[derive(Debug, Clone, Copy)]
pub struct Statement {
    /// `slice.name`, for errors.
    pub name: &'static str,
    /// Runs for every lead or message; must never scan a table. Only tests ask.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "a test holds it against the plans")
    )]
    pub hot: bool,
    /// Its place among all.
    pub id: usize,
    /// Which value names the tenant; none of a statement that looks across tenants.
    pub tenant: Option<usize>,
    /// As SQLite reads it.
    pub sqlite: &'static str,
    /// As PostgreSQL reads it.
    pub postgres: &'static str,
}

impl Statement {
    /// How many values it takes.
    #[cfg(test)]
    fn values(&self) -> usize {
        let numbers = self.sqlite.split('?').skip(1).map(|rest| {
            let end = rest.find(|c: char| !c.is_ascii_digit());
            rest[..end.unwrap_or(rest.len())].parse().unwrap_or(0)
        });
        numbers.max().unwrap_or(0)
    }
}

include!(concat!(env!("OUT_DIR"), "/statements.rs"));

#[cfg(test)]
mod tests {
    use super::*;

    /// SQLite counts `$1` by order of appearance, not by its number: a statement that names the second value first would be given
    /// the wrong one.
    #[test]
    fn values_are_counted_by_number() {
        for statement in ALL {
            // A path into a document, such as '$.at', is no value.
            let numbered = statement.sqlite.split('$').skip(1);
            let left = numbered.filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
            assert_eq!(left.count(), 0, "{}", statement.name);
        }
        assert!(ALL.iter().any(|statement| statement.sqlite.contains("?2")));
    }

    /// A hot statement finds its rows by an index. A scan would be fine today and a night of pagers in a year.
    #[test]
    fn no_hot_statement_scans_a_table() {
        let connection = crate::open::in_memory();
        let mut checked = 0;
        for statement in ALL.iter().filter(|statement| statement.hot) {
            let mut plan = connection
                .prepare(&format!("EXPLAIN QUERY PLAN {}", statement.sqlite))
                .unwrap_or_else(|error| panic!("{}: {error}", statement.name));
            let n = plan.parameter_count();
            let nulls: Vec<Option<i64>> = vec![None; n];
            let steps: Vec<String> = plan
                .query_map(rusqlite::params_from_iter(nulls), |row| row.get(3))
                .unwrap()
                .map(Result::unwrap)
                .collect();
            for step in &steps {
                let scans = step.starts_with("SCAN ")
                    && !step.contains("CONSTANT ROW")
                    && !step.contains("USING INDEX")
                    && !step.contains("USING COVERING INDEX");
                assert!(!scans, "{} scans: {step}", statement.name);
                assert!(
                    !step.contains("TEMP B-TREE") || statement.name.starts_with("scoring."),
                    "{} sorts: {step}",
                    statement.name
                );
            }
            checked += 1;
        }
        assert!(checked > 40, "only {checked} statements are marked hot");
    }

    /// The same on PostgreSQL, with the settings of a turn: each statement by itself, and the text for many rows that is made of it.
    #[test]
    fn no_hot_statement_scans_a_table_of_postgresql() {
        let schema = include_str!("../migrations/postgres/V1__the_first_house.sql");
        let database = ringback_pgtest::shared().unwrap().database().unwrap();
        database.sql(schema).unwrap();
        let turn = "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off; SET plan_cache_mode = force_generic_plan;";
        let mut script = turn.to_owned();
        let mut checked = Vec::new();
        let old = |one: &&Statement| one.name.starts_with("retention.");
        for statement in ALL.iter().filter(|one| one.hot || old(one)) {
            let text = statement.postgres.trim_end().trim_end_matches(';');
            let nulls = vec!["NULL"; statement.values()].join(", ");
            let values = if nulls.is_empty() {
                nulls
            } else {
                format!("({nulls})")
            };
            script += &format!(
                "PREPARE one AS {text};\nSELECT '== {}';\nEXPLAIN (COSTS OFF) EXECUTE one{values};\nDEALLOCATE one;\n",
                statement.name
            );
            checked.push(statement.name);
        }
        let said = database.sql(&script).unwrap();
        let mut plans: std::collections::BTreeMap<&str, Vec<&str>> =
            std::collections::BTreeMap::new();
        let mut name = "";
        for line in said.lines() {
            match line.strip_prefix("== ") {
                Some(next) => name = next,
                None => plans.entry(name).or_default().push(line),
            }
        }
        for name in &checked {
            let plan = plans
                .get(name)
                .unwrap_or_else(|| panic!("{name} has no plan"));
            let whole = plan.join("\n");
            assert!(!whole.contains("Seq Scan"), "{name} scans:\n{whole}");
            // What is sorted is one lead's, or a piece that is bounded.
            let few = [
                "scoring.",
                "retention.events_before",
                "messages.causes",
                "messages.counts",
            ];
            let sorts = plan
                .iter()
                .any(|step| step.contains("Sort") && !step.contains("Sort Key"));
            assert!(
                !sorts || few.iter().any(|one| name.starts_with(one)),
                "{name} sorts:\n{whole}"
            );
        }
        assert!(
            checked.len() > 40,
            "only {} statements are marked hot",
            checked.len()
        );
    }

    /// X4: a statement that names the tenant beside the id still goes by the id, which is one row, and not by the tenant, which is all.
    #[test]
    fn naming_the_tenant_makes_no_seek_longer() {
        let connection = crate::open::in_memory();
        for (statement, by) in [
            (leads::BY_ID, "INTEGER PRIMARY KEY (rowid=?)"),
            (messages::BY_ID, "INTEGER PRIMARY KEY (rowid=?)"),
            (messages::ACCEPT, "INTEGER PRIMARY KEY (rowid=?)"),
            (messages::CHANGE, "INTEGER PRIMARY KEY (rowid=?)"),
            (leads::POINTS_OF, "contact_points_lead (lead_id=?"),
            (leads::SESSION, "sessions_lead (lead_id=?"),
            (scoring::STATES, "(lead_id=?"),
            (workflows::RUNS_OF, "runs_lead (lead_id=?"),
            (
                retention::LEADS_FROM,
                "leads_tenant (tenant_id=? AND id>? AND id<?)",
            ),
            (retention::EVENTS_OF, "events_lead (lead_id=?"),
            (retention::EVENTS_BEFORE, "events_lead (lead_id=? AND id<?)"),
            (
                retention::EVENTS_BEFORE,
                "leads_tenant (tenant_id=? AND id>? AND id<?)",
            ),
            (retention::MESSAGES_OF, "messages_lead (lead_id=?"),
            (
                retention::MESSAGES_FROM,
                "messages_tenant (tenant_id=? AND id>? AND id<?)",
            ),
            (retention::FORGET_EVENT, "INTEGER PRIMARY KEY (rowid=?)"),
            (retention::FORGET_MESSAGE, "INTEGER PRIMARY KEY (rowid=?)"),
            (retention::FORGET_ATTEMPTS, "attempts_message (message_id=?"),
            (retention::ANONYMISE_MESSAGES, "messages_lead (lead_id=?"),
        ] {
            let steps: Vec<String> = connection
                .prepare(&format!("EXPLAIN QUERY PLAN {}", statement.sqlite))
                .unwrap()
                .query_map(
                    rusqlite::params_from_iter(vec![None::<i64>; statement.values()]),
                    |row| row.get(3),
                )
                .unwrap()
                .map(Result::unwrap)
                .collect();
            assert!(
                steps.iter().any(|step| step.contains(by)),
                "{}: {steps:?}",
                statement.name
            );
        }
    }

    /// A row that is written opens no table of its own: a list of more than two values in a CHECK or in the condition of a partial
    /// index is built anew for every row, which cost a tenth of the writer.
    #[test]
    fn no_hot_change_opens_a_table_of_its_own() {
        let connection = crate::open::in_memory();
        let changes = |text: &str| text.starts_with("INSERT") || text.starts_with("UPDATE");
        let mut checked = 0;
        for statement in ALL.iter().filter(|one| one.hot && changes(one.sqlite)) {
            let mut program = connection
                .prepare(&format!("EXPLAIN {}", statement.sqlite))
                .unwrap_or_else(|error| panic!("{}: {error}", statement.name));
            let nulls: Vec<Option<i64>> = vec![None; program.parameter_count()];
            let steps: Vec<String> = program
                .query_map(rusqlite::params_from_iter(nulls), |row| row.get(1))
                .unwrap()
                .map(Result::unwrap)
                .collect();
            let name = statement.name;
            assert!(
                !steps.iter().any(|step| step == "OpenEphemeral"),
                "{name}: {}",
                steps.join(" ")
            );
            checked += 1;
        }
        assert!(checked > 15, "only {checked} changes are marked hot");
    }

    /// X4: a statement names its tenant by a value, or is one of the few that look across tenants and are listed here.
    #[test]
    fn few_statements_look_across_tenants() {
        let across = ALL.iter().filter(|one| one.tenant.is_none());
        let across: Vec<&str> = across.map(|one| one.name).collect();
        insta::assert_snapshot!(across.join("\n"));
        assert!(ALL.iter().enumerate().all(|(n, one)| one.id == n));
        assert!(ALL.iter().all(|one| !one.postgres.contains('?')));
    }

    /// Every statement is one that the database understands.
    #[test]
    fn every_statement_can_be_prepared() {
        let connection = crate::open::in_memory();
        for statement in ALL {
            connection
                .prepare(statement.sqlite)
                .unwrap_or_else(|error| panic!("{}: {error}", statement.name));
        }
    }
}
