/* The call frame of the Go binding: one flat block in Go memory without pointers, so that one crossing into C carries
 * everything a call needs, nothing is allocated in C, and the garbage collector has nothing to look at. */
#ifndef KEEPWELL_GO_CALL_H
#define KEEPWELL_GO_CALL_H

#include <keepwell.h>
#include <stdlib.h>
#include <string.h>

/* What a call does. native.go repeats these numbers. */
enum {
  KEEPWELL_GO_QUERY = 1,
  KEEPWELL_GO_FETCH,
  KEEPWELL_GO_EXECUTE,
  KEEPWELL_GO_EXECUTE_MANY,
  KEEPWELL_GO_SCRIPT,
  KEEPWELL_GO_PREPARE,
  KEEPWELL_GO_BEGIN,
  KEEPWELL_GO_COMMIT,
  KEEPWELL_GO_ROLLBACK,
  KEEPWELL_GO_PIN,
  KEEPWELL_GO_MIGRATE, /* from here on, each has a function of its own */
  KEEPWELL_GO_SCHEMA_DUMP,
  KEEPWELL_GO_REBUILD,
  KEEPWELL_GO_HEALTH,
  KEEPWELL_GO_EXPLAIN,
  KEEPWELL_GO_ADVISE
};

/* The Go type nativeCall has the same layout; native.go checks size and offsets when it is compiled. */
typedef struct keepwell_go_call {
  uint64_t target;       /* what the call works on */
  uint64_t statement;    /* prepared statement to run in place of the text, or 0 */
  uint64_t cancel;       /* cancel token, or 0 */
  int64_t timeout_us;
  int64_t cache_ttl_ms;
  uint64_t text_length;  /* bytes of SQL */
  uint64_t columns;      /* parameters in one set */
  uint64_t rows;         /* sets of parameters (execute_many) */
  uint64_t names_at;     /* byte offset of the parameters' names in the parameter block, one after the other with NUL; 0: positional */
  uint64_t size;         /* bytes of the result buffer */
  uint64_t handle;       /* out: what was made */
  uint32_t op;
  uint32_t flags;
  int32_t cache;
  uint32_t batch_rows;
  int32_t mode;          /* of a transaction */
  kw_status status;      /* out, of a call in a group */
  kw_result result;
  kw_fetch fetch;
  kw_error error;
} keepwell_go_call;

/* Exported by native.go: asks the call's context whether to go on. */
extern int32_t keepwellGoTick(void *call);

/* Exported by native_migrations.go: tells the call's progress function of an event. */
extern int32_t keepwellGoProgress(void *event, void *call);

static inline kw_status keepwell_go_dispatch(keepwell_go_call *c, const char *text, const kw_cell *params, void *buffer,
                                             const kw_options *o) {
  switch (c->op) {
  case KEEPWELL_GO_QUERY:
    return kw_query_into(c->target, text, c->text_length, params, c->columns, o, buffer, c->size, &c->fetch, &c->error);
  case KEEPWELL_GO_FETCH:
    return kw_rows_fetch_into(c->target, buffer, c->size, &c->fetch, &c->error);
  case KEEPWELL_GO_EXECUTE:
    return kw_execute(c->target, text, c->text_length, params, c->columns, o, &c->result, &c->error);
  case KEEPWELL_GO_EXECUTE_MANY:
    return kw_execute_many(c->target, text, c->text_length, params, c->columns, c->rows, o, &c->result, &c->error);
  case KEEPWELL_GO_SCRIPT:
    return kw_execute_script(c->target, text, c->text_length, o, &c->result, &c->error);
  case KEEPWELL_GO_PREPARE:
    return kw_prepare(c->target, text, c->text_length, o, &c->handle, &c->error);
  case KEEPWELL_GO_BEGIN:
    return kw_tx_begin(c->target, c->mode, o, &c->handle, &c->error);
  case KEEPWELL_GO_COMMIT:
    return kw_tx_commit(c->target, &c->error);
  case KEEPWELL_GO_ROLLBACK:
    return kw_tx_rollback(c->target, &c->error);
  case KEEPWELL_GO_PIN:
    return kw_conn_acquire(c->target, o, &c->handle, &c->error);
  default:
    return KW_UNSUPPORTED;
  }
}

/* Points at each of the names that stand one after the other in the parameter block. */
static inline const char **keepwell_go_names(const keepwell_go_call *c, const uint64_t *params, const char **room,
                                             size_t room_for) {
  const char **names = c->columns <= room_for ? room : (const char **)malloc(c->columns * sizeof *names);
  const char *name = (const char *)params + c->names_at;
  if (names == NULL) return NULL;
  for (uint64_t i = 0; i < c->columns; i++) {
    names[i] = name;
    name += strlen(name) + 1;
  }
  return names;
}

static inline kw_status keepwell_go_named(keepwell_go_call *c, const char *text, const uint64_t *params, uint64_t *buffer,
                                          kw_options *o) {
  const char *room[32];
  const char **names = keepwell_go_names(c, params, room, 32);
  kw_status status = KW_NO_MEMORY;
  if (names != NULL) {
    o->param_names = names;
    status = keepwell_go_dispatch(c, text, (const kw_cell *)params, buffer, o);
  }
  if (names != room) free((void *)names);
  return status;
}

static inline kw_options keepwell_go_options(keepwell_go_call *c, kw_tick tick) {
  kw_options o = KW_OPTIONS_INIT;
  o.flags = c->flags;
  o.timeout_us = c->timeout_us;
  o.cancel = c->cancel;
  o.statement = c->statement;
  o.tick = tick;
  o.tick_context = tick ? c : NULL;
  o.cache = c->cache;
  o.batch_rows = c->batch_rows;
  o.cache_ttl_ms = c->cache_ttl_ms;
  return o;
}

static inline kw_status keepwell_go_with(keepwell_go_call *c, const char *text, const uint64_t *params, uint64_t *buffer,
                                         kw_tick tick) {
  kw_options o = keepwell_go_options(c, tick);
  if (c->statement) text = NULL;
  if (c->names_at) return keepwell_go_named(c, text, params, buffer, &o);
  return keepwell_go_dispatch(c, text, (const kw_cell *)params, buffer, &o);
}

/* For contexts that never end: never calls back into Go. */
static inline kw_status keepwell_go_run(keepwell_go_call *c, const char *text, const uint64_t *params, uint64_t *buffer) {
  return keepwell_go_with(c, text, params, buffer, NULL);
}

/* For contexts that may end: calls keepwellGoTick about every 20 ms, from this thread, while the call waits or runs. */
static inline kw_status keepwell_go_run_ticking(keepwell_go_call *c, const char *text, const uint64_t *params,
                                                uint64_t *buffer) {
  return keepwell_go_with(c, text, params, buffer, keepwellGoTick);
}

/* One write of a group: where its call, SQL, parameters and result buffer are. Addresses are numbers here, so that the array has no
 * pointers that cgo would have to look at; Go has pinned what they name. */
typedef struct keepwell_go_write {
  uint64_t call, text, params, buffer;
  uint64_t ticking;
} keepwell_go_write;

enum { KEEPWELL_GO_LARGEST_GROUP = 64 };

static inline keepwell_go_call *keepwell_go_call_of(const keepwell_go_write *w) { return (keepwell_go_call *)(uintptr_t)w->call; }

/* Describes one write of a group. Its parameters' names, if they have any, are put at *names, which moves on. */
static inline kw_write keepwell_go_describe(const keepwell_go_write *w, kw_options *o, const char ***names) {
  keepwell_go_call *c = keepwell_go_call_of(w);
  const uint64_t *params = (const uint64_t *)(uintptr_t)w->params;
  kw_write write = KW_WRITE_INIT;
  *o = keepwell_go_options(c, w->ticking ? keepwellGoTick : NULL);
  if (c->names_at) {
    o->param_names = keepwell_go_names(c, params, *names, c->columns);
    *names += c->columns;
  }
  if (!c->statement) write.sql = (const char *)(uintptr_t)w->text, write.sql_len = c->text_length;
  write.params = (const kw_cell *)params;
  write.param_count = c->columns;
  write.options = o;
  write.buffer = (void *)(uintptr_t)w->buffer;
  write.buffer_size = c->size;
  write.fetch = c->op == KEEPWELL_GO_QUERY ? &c->fetch : NULL;
  write.result = &c->result;
  write.error = &c->error;
  return write;
}

/* Makes the writes of several goroutines; each one's status and outputs go to its call. */
static inline void keepwell_go_group(kw_store store, const keepwell_go_write *writes, uint32_t count) {
  kw_write described[KEEPWELL_GO_LARGEST_GROUP];
  kw_options options[KEEPWELL_GO_LARGEST_GROUP];
  kw_error error = KW_ERROR_INIT;
  kw_status status = KW_NO_MEMORY;
  size_t names_count = 1;
  for (uint32_t i = 0; i < count; i++) {
    const keepwell_go_call *c = keepwell_go_call_of(&writes[i]);
    if (c->names_at) names_count += c->columns;
  }
  const char *few[64];
  const char **names = names_count <= 64 ? few : (const char **)malloc(names_count * sizeof *names);
  if (names != NULL) {
    const char **next = names;
    for (uint32_t i = 0; i < count; i++) described[i] = keepwell_go_describe(&writes[i], &options[i], &next);
    status = kw_execute_group(store, described, count, &error);
  }
  for (uint32_t i = 0; i < count; i++) {
    keepwell_go_call *c = keepwell_go_call_of(&writes[i]);
    c->status = status == KW_OK ? described[i].status : status;
    if (status != KW_OK) c->error = error;
  }
  if (names != few) free((void *)names);
}

static inline kw_status keepwell_go_health(keepwell_go_call *c, char *buffer, size_t size, size_t *length, int ticking) {
  kw_options o = keepwell_go_options(c, ticking ? keepwellGoTick : NULL);
  return kw_store_health_json(c->target, &o, buffer, size, length, &c->error);
}

/* The plan of a statement, or advice about it, as rows whose handle goes to c->handle. */
static inline kw_status keepwell_go_study(keepwell_go_call *c, const char *text, int ticking) {
  kw_options o = keepwell_go_options(c, ticking ? keepwellGoTick : NULL);
  if (c->op == KEEPWELL_GO_ADVISE) return kw_advise(c->target, text, c->text_length, &o, &c->handle, &c->error);
  return kw_explain(c->target, text, c->text_length, &o, &c->handle, &c->error);
}

static inline kw_status keepwell_go_add_migration(kw_migrations set, int64_t version, const char *description, const char *up,
                                                  size_t up_len, const char *down, size_t down_len, kw_error *error) {
  kw_migration m = KW_MIGRATION_INIT;
  m.version = version;
  m.description = description;
  m.up = up, m.up_len = up_len;
  m.down = down, m.down_len = down_len;
  return kw_migrations_add(set, &m, error);
}

static inline int32_t keepwell_go_progress(const kw_migrate_event *event, void *call) {
  return keepwellGoProgress((void *)event, call);
}

/* An operation on the set of migrations c->target; the report's handle goes to c->handle. */
static inline kw_status keepwell_go_migrate(keepwell_go_call *c, int32_t operation, uint32_t flags, int64_t version, uint64_t steps,
                                            int ticking, int telling) {
  kw_options call = keepwell_go_options(c, ticking ? keepwellGoTick : NULL);
  kw_migrate_options o = KW_MIGRATE_OPTIONS_INIT;
  o.flags = flags;
  o.version = version;
  o.steps = steps;
  o.progress = telling ? keepwell_go_progress : NULL;
  o.context = telling ? c : NULL;
  o.call = &call;
  return kw_migrate(c->target, operation, &o, &c->handle, &c->error);
}

static inline kw_status keepwell_go_schema_dump(keepwell_go_call *c, char *buffer, size_t size, size_t *length, int ticking) {
  kw_options o = keepwell_go_options(c, ticking ? keepwellGoTick : NULL);
  return kw_schema_dump(c->target, &o, buffer, size, length, &c->error);
}

/* `columns` has `count` pairs of a name and an expression, one after the other, each with a NUL. */
static inline kw_status keepwell_go_rebuild(keepwell_go_call *c, const char *table, size_t table_len, const char *definition,
                                            size_t definition_len, const char *columns, size_t count, int ticking) {
  kw_options o = keepwell_go_options(c, ticking ? keepwellGoTick : NULL);
  kw_rebuild_column *list = (kw_rebuild_column *)malloc((count + 1) * sizeof *list);
  if (list == NULL) return KW_NO_MEMORY;
  for (size_t i = 0; i < count; i++) {
    list[i].name = columns;
    columns += strlen(columns) + 1;
    list[i].expression = columns;
    columns += strlen(columns) + 1;
  }
  kw_status status = kw_rebuild_table(c->target, table, table_len, definition, definition_len, list, count, &o, &c->handle, &c->error);
  free(list);
  return status;
}

#endif
