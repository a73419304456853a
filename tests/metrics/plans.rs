//! How statements would run, and which indexes would help.

use keepwell::{Params, QueryOptions, Store};

use super::bench::Bench;

fn plan(store: &Store, sql: &str) -> Vec<String> {
    store.explain(sql, &QueryOptions::default()).unwrap().into_iter().map(|node| node.detail).collect()
}

/// The index is made on the writer; the reader that plans has run nothing since.
#[test]
fn a_plan_is_made_with_the_schema_as_it_is_now() {
    let bench = Bench::new();
    bench.store.execute("CREATE TABLE planned(a, b)", Params::NONE, &QueryOptions::default()).unwrap();
    let sql = "SELECT b FROM planned WHERE a = ?";
    assert_eq!(plan(&bench.store, sql), ["SCAN planned"]);
    let advice = bench.store.advise(sql, &QueryOptions::default()).unwrap();
    bench.store.execute(&advice[0].index_sql, Params::NONE, &QueryOptions::default()).unwrap();
    assert_eq!(plan(&bench.store, sql).join("\n"), advice[0].after);
    assert!(bench.store.advise(sql, &QueryOptions::default()).unwrap().is_empty());
}
