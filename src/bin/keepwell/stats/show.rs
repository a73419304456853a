//! The report on a database file as people read it.

use super::super::quantity::{bytes, counted, percent};
use super::super::table::{table, Side};
use super::report::Report;
use super::space::Object;

pub fn text(report: &Report) -> String {
    let mut lines = table([Side::Left; 2], ["database", &report.database], facts(report));
    if let Some(objects) = &report.objects {
        lines.push(String::new());
        lines.extend(space(objects));
    }
    let notes = report.notes.iter().map(|note| format!("note: {note}"));
    let said: Vec<String> = report.problems().into_iter().chain(notes).collect();
    if !said.is_empty() {
        lines.push(String::new());
    }
    lines.iter().chain(&said).map(|line| format!("{line}\n")).collect()
}

fn facts(report: &Report) -> Vec<[String; 2]> {
    let settings = &report.settings;
    let size = settings.page_size;
    let share = |pages: u64| format!("{} in {}", bytes(pages * size), counted(pages, "page"));
    let facts = [
        ("file", format!("{}, {} of {}", bytes(report.file_bytes), counted(settings.pages, "page"), bytes(size))),
        ("free", share(settings.free_pages)),
        ("other pages", share(report.other_pages)),
        ("write-ahead log", bytes(report.wal_bytes)),
        ("journal mode", settings.journal_mode.clone()),
        ("encoding", settings.encoding.clone()),
        ("auto_vacuum", settings.auto_vacuum.to_string()),
        ("application_id", settings.application_id.to_string()),
        ("user_version", settings.user_version.to_string()),
        ("schema version", settings.schema_version.to_string()),
        ("migration version", report.migration_version.map_or("none".to_string(), |version| version.to_string())),
        ("schema", schema(report)),
        (
            "ANALYZE",
            settings.analyzed_tables.map_or("never ran".to_string(), |tables| format!("has statistics of {}", counted(tables, "table"))),
        ),
    ];
    let checks = report.checks.iter().map(|check| {
        let found = if check.problems.is_empty() { "ok".to_string() } else { counted(check.problems.len() as u64, "problem") };
        (check.name, found)
    });
    facts.into_iter().chain(checks).map(|(name, value)| [name.to_string(), value]).collect()
}

fn schema(report: &Report) -> String {
    let settings = &report.settings;
    let indexes = if settings.indexes == 1 { "1 index".to_string() } else { format!("{} indexes", settings.indexes) };
    let others = [(settings.triggers, "trigger"), (settings.views, "view")].map(|(count, thing)| counted(count, thing));
    format!("{}, {indexes}, {}", counted(settings.tables, "table"), others.join(", "))
}

/// Tables and indexes, the largest first, with their part of all that is in use.
fn space(objects: &[Object]) -> Vec<String> {
    const SIDES: [Side; 8] = [Side::Right, Side::Right, Side::Right, Side::Right, Side::Right, Side::Right, Side::Left, Side::Left];
    let used = objects.iter().map(|object| object.bytes).sum();
    let rows = objects.iter().map(|object| {
        let name = if object.kind == "index" { format!("{} on {}", object.name, object.table) } else { object.name.clone() };
        [
            bytes(object.bytes),
            format!("{:.1} %", percent(object.bytes, used)),
            object.pages.to_string(),
            bytes(object.payload_bytes),
            bytes(object.unused_bytes),
            object.rows.to_string(),
            object.kind.clone(),
            name,
        ]
    });
    table(SIDES, ["SIZE", "PART", "PAGES", "PAYLOAD", "UNUSED", "ROWS", "KIND", "NAME"], rows)
}
