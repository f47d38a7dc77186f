/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "lsobs/api/lsobs-headers-private.h"
#include "lsobs/api/lsobs-observer-private.h"
#include "lsobs/core/lsobs-lock-private.h"
#include "lsobs/core/lsobs-log-private.h"
#include "lsobs/text/lsobs-json-sanitizer-private.h"
#include "lsobs/text/lsobs-json-writer-private.h"
#include "lsobs/transport/lsobs-record-hook-private.h"

/**
 * SECTION:lsobs-headers
 * @title: Across processes
 * @short_description: one trace of several services
 *
 * A request to another service can have two headers, `langsmith-trace` and `baggage`, that name the
 * run which makes the request. The service then starts its runs below that run, in the same trace
 * and in the same project or agent. This works with all clients of LangSmith.
 *
 * |[<!-- language="C" -->
 * lsobs_run_propagate_metadata (run, "thread_id");
 * lsobs_run_set_metadata_string (run, "thread_id", "t-77");
 * headers = lsobs_run_to_headers (run);
 * ]|
 *
 * and in the service
 *
 * |[<!-- language="C" -->
 * run = lsobs_observer_start_run_from_headers (observer, headers, "lookup",
 *                                              LSOBS_RUN_TYPE_CHAIN, inputs);
 * ]|
 *
 * With libsoup, lsobs_run_add_to_message() and
 * lsobs_observer_start_run_from_message_headers() do the same.
 *
 * Everybody on the network path can read the headers, and the receiver can use them for anything.
 * So they contain only the metadata and tags that the program has marked, with
 * lsobs_run_propagate_metadata() and lsobs_run_propagate_tags(). These are redacted as in the data
 * for LangSmith. Add headers only to requests to hosts that may know the name of your project or
 * agent.
 *
 * A service gets headers from everybody who can send requests to it. lsobs ignores them unless
 * #LsobsConfig:trust-incoming-headers is %TRUE. Even then, it uses only the position in the trace,
 * the metadata, the tags, and the name of the project or the address of the agent. It ignores
 * headers that are malformed. If headers have both a project and an agent, the run starts a new
 * trace, as with the official clients.
 */

/* Makes annotations for a run that is not sampled, too, to keep what propagates. With tracing off,
 * nothing propagates. */
static void
ensure_annotations (LsobsRun *self)
{
  if (!_lsobs_run_is_forked (self) &&
      _lsobs_exporter_peek_settings (self->exporter)->values.tracing_enabled)
    _lsobs_run_ensure_annotations (self);
}

/* Annotations that are written into a header. */
typedef struct
{
  LsobsSettings *settings;
  LsobsCounters *counters;
  LsobsBaggage baggage;
  guint n_left_out; /* tags and metadata that do not fit */
  LsobsRedactBudget budget;
} BaggageWriter;

/* Redacts one member of the metadata as a payload and adds it, if it fits as a whole. */
static void
write_metadatum (BaggageWriter *writer, const char *key, JsonNode *value)
{
  const LsobsSanitizeOptions options = { .redactor = writer->settings->redactor,
                                         .max_string_bytes =
                                             (gsize) writer->settings->values.max_string_bytes,
                                         .budget = &writer->budget };
  g_auto (LsobsBuffer) text = LSOBS_BUFFER_INIT;
  g_auto (LsobsBuffer) walked = LSOBS_BUFFER_INIT;
  gboolean fits;

  _lsobs_buffer_append_c (&text, '{');
  _lsobs_json_write_string (&text, key, strlen (key));
  _lsobs_buffer_append_c (&text, ':');
  fits = _lsobs_json_write_node (&text, value, LSOBS_MAX_BAGGAGE_BYTES);
  _lsobs_buffer_append_c (&text, '}');
  if (!fits || !_lsobs_json_sanitize (&walked, text.data, text.len, &options) ||
      !_lsobs_baggage_add_metadatum (&writer->baggage, walked.data + 1, walked.len - 2))
    writer->n_left_out++;
}

/* @metadata: an object */
static void
write_metadata (BaggageWriter *writer, GBytes *metadata)
{
  const LsobsRecordHook hook = { .settings = writer->settings, .counters = writer->counters };
  g_autoptr (JsonNode) node =
      _lsobs_record_hook_pass (&hook, "metadata", metadata, JSON_NODE_OBJECT);
  JsonObjectIter iter;
  const char *key;
  JsonNode *value;

  if (node == NULL)
    return;
  json_object_iter_init_ordered (&iter, json_node_get_object (node));
  while (json_object_iter_next_ordered (&iter, &key, &value))
    /* Do not repair a name: two might become the same. */
    if (g_utf8_validate (key, -1, NULL))
      write_metadatum (writer, key, value);
    else
      writer->n_left_out++;
}

static void
write_tag (BaggageWriter *writer, const char *tag)
{
  g_autofree char *text = NULL;

  /* A longer tag never fits: do not spend time to redact it. */
  if (strlen (tag) <= LSOBS_MAX_BAGGAGE_BYTES)
    text = _lsobs_redactor_apply_text (writer->settings->redactor, tag);
  if (text == NULL || !_lsobs_baggage_add_tag (&writer->baggage, text))
    writer->n_left_out++;
}

/* @tags: an array of strings */
static void
write_tags (BaggageWriter *writer, GBytes *tags)
{
  const LsobsRecordHook hook = { .settings = writer->settings, .counters = writer->counters };
  g_autoptr (JsonNode) node = _lsobs_record_hook_pass (&hook, "tags", tags, JSON_NODE_ARRAY);
  JsonArray *array = node != NULL ? json_node_get_array (node) : NULL;

  for (guint i = 0; array != NULL && i < json_array_get_length (array); i++)
    {
      JsonNode *tag = json_array_get_element (array, i);
      const char *text =
          json_node_get_value_type (tag) == G_TYPE_STRING ? json_node_get_string (tag) : NULL;

      if (text != NULL)
        write_tag (writer, text);
      else
        _lsobs_counters_add (writer->counters, LSOBS_COUNTER_REDACTION_FAILURES, 1);
    }
}

/* Writes the target first: if it does not fit, the two services send to different projects.
 * Returns: (transfer full) (nullable): the value of the header */
static char *
write_baggage (LsobsRun *self, gsize max_bytes)
{
  LsobsSettings *settings = _lsobs_exporter_peek_settings (self->exporter);
  BaggageWriter writer = {
    .settings = settings,
    .counters = _lsobs_exporter_peek_counters (self->exporter),
    .baggage = LSOBS_BAGGAGE_INIT (max_bytes),
    .budget = LSOBS_REDACT_BUDGET_INIT,
  };
  LsobsAnnotations *annotations = g_atomic_pointer_get (&self->annotations);
  g_autoptr (GBytes) metadata = NULL;
  g_autoptr (GBytes) tags = NULL;
  char *text;

  if (!_lsobs_baggage_set_target (&writer.baggage,
                                  _lsobs_settings_get_own_target (settings, self->info->target)))
    writer.n_left_out++;
  /* Another process has begun the run: in this one, its annotations may stay locked and half
   * changed. */
  if (annotations != NULL && !_lsobs_run_is_forked (self))
    {
      _lsobs_mutex_lock (&annotations->lock, LSOBS_LOCK_ANNOTATIONS);
      if (!settings->values.hide_metadata)
        metadata =
            _lsobs_annotations_write_propagated_unlocked (annotations, LSOBS_MAX_BAGGAGE_BYTES,
                                                          &writer.n_left_out);
      if (annotations->tags_propagated)
        tags = _lsobs_annotations_write_tags_unlocked (annotations);
      _lsobs_mutex_unlock (&annotations->lock, LSOBS_LOCK_ANNOTATIONS);
    }
  if (metadata != NULL)
    write_metadata (&writer, metadata);
  if (tags != NULL)
    write_tags (&writer, tags);
  if (settings->redactor != NULL)
    _lsobs_counters_add (writer.counters, LSOBS_COUNTER_REDACTION_FAILURES,
                         (gssize) _lsobs_redactor_take_failures (settings->redactor));
  if (writer.n_left_out > 0)
    {
      _lsobs_counters_add (writer.counters, LSOBS_COUNTER_DROPPED_NOTES, writer.n_left_out);
      g_debug ("%u tags or metadata of the run “%s” are too long for a header, and do not go along",
               writer.n_left_out, self->info->name);
    }
  text = _lsobs_baggage_write (&writer.baggage);
  _lsobs_baggage_clear (&writer.baggage);
  return text;
}

/* With tracing off, the runs of this process do not exist for the service: the nearest ancestor in
 * another process, which has no name here, takes their place.
 * Returns: (nullable): the info of the run that the headers name, or %NULL for no headers */
static LsobsRunInfo *
peek_visible (LsobsRun *self)
{
  LsobsRunInfo *info = self->info;

  if (!_lsobs_exporter_peek_settings (self->exporter)->values.tracing_enabled)
    while (info != NULL && info->name != NULL)
      info = info->parent;
  return info;
}

/* @trace, @baggage: (out) (transfer full) (nullable): the values of the two headers
 * Returns: %FALSE if there are no headers; then both are %NULL */
gboolean
_lsobs_run_write_headers (LsobsRun *self, gsize max_baggage, char **trace, char **baggage)
{
  LsobsRunInfo *info = peek_visible (self);

  *trace = *baggage = NULL;
  if (info == NULL)
    return FALSE;
  /* Receivers ignore longer paths. */
  if (info->depth > LSOBS_MAX_REMOTE_DEPTH)
    {
      g_debug ("The run “%s” lies too deep to go on in another process", self->info->name);
      return FALSE;
    }
  *trace = _lsobs_run_info_dup_path (info);
  *baggage = write_baggage (self, max_baggage);
  return TRUE;
}

/**
 * lsobs_run_propagate_metadata:
 * @self: a run
 * @key: the name of the metadata, such as `thread_id`
 *
 * Marks metadata for propagation: lsobs_run_to_headers() then adds them to the headers for other
 * services, as clear text that everybody on the network path can read. Children that are started
 * later inherit the metadata and the mark.
 *
 * The metadata can be set before or after this call, or can come from another service. But a run
 * that the sampler has left out keeps only metadata that are marked when they are set: call this
 * function first.
 *
 * Since: 0.1
 */
void
lsobs_run_propagate_metadata (LsobsRun *self, const char *key)
{
  g_return_if_fail (self != NULL);
  g_return_if_fail (key != NULL);

  ensure_annotations (self);
  if (_lsobs_run_lock_annotations (self))
    _lsobs_run_unlock_annotations (
        self, _lsobs_annotations_propagate_metadata_unlocked (self->annotations, key));
}

/**
 * lsobs_run_propagate_tags:
 * @self: a run
 *
 * Marks the tags of the run for propagation: lsobs_run_to_headers() then adds them to the headers
 * for other services, as clear text that everybody on the network path can read. Children that are
 * started later do the same with their own tags.
 *
 * All clients of LangSmith join tags with commas. A tag that contains a comma therefore arrives as
 * two tags.
 *
 * Since: 0.1
 */
void
lsobs_run_propagate_tags (LsobsRun *self)
{
  g_return_if_fail (self != NULL);

  ensure_annotations (self);
  if (!_lsobs_run_lock_annotations (self))
    return;
  self->annotations->tags_propagated = TRUE;
  _lsobs_run_unlock_annotations (self, TRUE);
}

/**
 * lsobs_run_to_headers:
 * @self: a run, which may have ended
 *
 * Creates the headers for a request to another service, which can then start runs below @self. The
 * header `langsmith-trace` has the position of @self in its trace. The header `baggage` has the
 * metadata and the tags that are marked for propagation, and the name of the project or the address
 * of the agent. If the request has a header `baggage` already, remove each item whose key begins
 * with `langsmith-` from it, because a receiver may ignore a trace with two such items. Then append
 * a comma and the new value. lsobs_run_add_to_message() does this.
 *
 * The redaction rules of the config are applied to the metadata and the tags, in the calling
 * thread; the call takes as long as the rules take. If #LsobsConfig:hide-metadata is %TRUE, the
 * metadata are left out. The header has at most 4096 bytes: an item that does not fit is left out,
 * and counted by %LSOBS_COUNTER_DROPPED_NOTES.
 *
 * A run that the sampler has left out has headers, too: the other service makes the same decision
 * if it uses the same rate. In a child process of fork(), the headers of a run of the parent
 * process have no metadata and no tags. A run that is more than 100 runs below the root has no
 * headers. If tracing is off, there are no headers, except for a run that was started from the
 * headers of another process: its headers name the run in that process.
 *
 * Returns: (transfer full) (element-type utf8 utf8): the values by the names of the headers; free
 *   it with g_hash_table_unref()
 *
 * Since: 0.1
 */
GHashTable *
lsobs_run_to_headers (LsobsRun *self)
{
  GHashTable *headers;
  char *trace;
  char *baggage;

  g_return_val_if_fail (self != NULL, NULL);

  headers = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  if (!_lsobs_run_write_headers (self, LSOBS_MAX_BAGGAGE_BYTES, &trace, &baggage))
    return headers;
  g_hash_table_insert (headers, g_strdup (LSOBS_TRACE_HEADER), trace);
  if (baggage != NULL)
    g_hash_table_insert (headers, g_strdup (LSOBS_BAGGAGE_HEADER), baggage);
  return headers;
}

/* The callers check the arguments.
 * @trace, @baggage: (nullable): values of headers
 * Returns: (transfer full) */
LsobsRun *
_lsobs_observer_start_run_from_values (LsobsObserver *self,
                                       const char *trace,
                                       const char *baggage,
                                       const char *name,
                                       LsobsRunType run_type,
                                       JsonNode *inputs)
{
  g_autoptr (LsobsExporter) exporter = _lsobs_observer_ref_exporter (self);
  g_autoptr (LsobsRemoteParent) parent = NULL;
  LsobsSettings *settings = _lsobs_exporter_peek_settings (exporter);

  if (settings->values.trust_incoming_headers)
    parent = _lsobs_remote_parent_parse (trace, baggage);
  else if (trace != NULL && settings->values.tracing_enabled)
    _lsobs_log_untrusted_headers ();
  return _lsobs_run_start (exporter, &(LsobsRunStart){ .remote = parent,
                                                       .name = name,
                                                       .run_type = run_type,
                                                       .inputs = inputs });
}

/* Ignores the case of names; of names that differ only in case, the one in lower case wins.
 * Returns: (nullable) */
static const char *
find_header (GHashTable *headers, const char *name)
{
  const char *found = NULL;
  GHashTableIter iter;
  gpointer key;
  gpointer value;

  if (headers == NULL)
    return NULL;
  g_hash_table_iter_init (&iter, headers);
  while (g_hash_table_iter_next (&iter, &key, &value))
    {
      if (key == NULL || value == NULL || g_ascii_strcasecmp (key, name) != 0)
        continue;
      found = value;
      if (strcmp (key, name) == 0)
        break;
    }
  return found;
}

/**
 * lsobs_observer_start_run_from_headers:
 * @self: an observer
 * @headers: (nullable) (element-type utf8 utf8): the headers of an incoming request, values by
 *   names: all of them, or only `langsmith-trace` and `baggage`
 * @name: the name of the run, which the service shows
 * @run_type: the type of the run
 * @inputs: (nullable): the inputs; a value that is not an object becomes `{"value": …}`
 *
 * Starts a run for a request of another process, below the run that made the request. The run
 * starts with the metadata and the tags of the headers, which are redacted as all others. The run
 * and its children belong to the project or the agent of the trace. The sampler gets the id of the
 * trace, so that services with the same rate keep the same traces.
 *
 * If #LsobsConfig:trust-incoming-headers is %FALSE, or if the headers are not valid, this function
 * does what lsobs_observer_start_run() does: the run is the root of a new trace.
 *
 * Returns: (transfer full): a new run
 *
 * Since: 0.1
 */
LsobsRun *
lsobs_observer_start_run_from_headers (LsobsObserver *self,
                                       GHashTable *headers,
                                       const char *name,
                                       LsobsRunType run_type,
                                       JsonNode *inputs)
{
  g_return_val_if_fail (LSOBS_IS_OBSERVER (self), NULL);
  g_return_val_if_fail (lsobs_observer_get_exporter (self) != NULL, NULL);
  g_return_val_if_fail (name != NULL, NULL);
  g_return_val_if_fail ((guint) run_type <= LSOBS_RUN_TYPE_PARSER, NULL);

  return _lsobs_observer_start_run_from_values (self, find_header (headers, LSOBS_TRACE_HEADER),
                                                find_header (headers, LSOBS_BAGGAGE_HEADER), name,
                                                run_type, inputs);
}
