/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "lsobs/config/lsobs-probability-sampler-private.h"
#include "lsobs/core/lsobs-block-private.h"
#include "lsobs/core/lsobs-bytes-private.h"
#include "lsobs/core/lsobs-slab-private.h"
#include "lsobs/text/lsobs-json-merge-private.h"
#include "lsobs/text/lsobs-json-path-private.h"
#include "lsobs/text/lsobs-json-sanitizer-private.h"
#include "lsobs/text/lsobs-json-scan-private.h"
#include "lsobs/text/lsobs-json-writer-private.h"
#include "lsobs/transport/lsobs-encoder-private.h"
#include "lsobs/transport/lsobs-runtime-private.h"

/* A name keeps this many bytes even if max-string-bytes is smaller. */
#define MIN_NAME_BYTES 1000

/* In the metadata of each run, if the program sets a revision. */
#define REVISION_ID_KEY "revision_id"

/* In the metadata of a run of which strings were cut. */
#define CUT_STRINGS_KEY "lsobs_cut_strings"

/* Scores are rounded to four decimals, as in the official clients. A double above MAX_SCORE
 * has fewer decimals anyway and is sent as it is. */
#define SCORE_SCALE 10000
#define MAX_SCORE   1e11

#define FIELD_NAME(field, name) [field] = (name),

const char *const _lsobs_field_names[LSOBS_N_FIELDS] = { [LSOBS_FIELD_MAIN] = "main",
                                                         LSOBS_FIELDS (FIELD_NAME) };

/* The text before the value of a field. */
#define FIELD_KEY(field, name) [field] = ",\"" name "\":",

static const char *const field_keys[LSOBS_N_FIELDS] = { [LSOBS_FIELD_MAIN] = "",
                                                        LSOBS_FIELDS (FIELD_KEY) };

/* The state of the writers below while they encode one record. */
typedef struct
{
  LsobsSettings *settings; /* (unowned) */
  LsobsCounters *counters; /* (unowned) */
  LsobsEncoded *encoded;   /* (unowned) */
  LsobsRecord *record;     /* (unowned) */
  LsobsBuffer *out;        /* (unowned) */
  LsobsTarget *target;     /* (unowned) the project or address of the run */
  const char *seed;        /* (unowned) (nullable) maps ids to those of a replica */
  LsobsRedactBudget budget;
  guint n_cut;           /* strings of the run that were cut */
  LsobsBuffer cut_paths; /* (owned) where they are: JSON strings, with commas between them */
} EncoderState;

/* Whether the payloads are replaced by their sizes. */
static gboolean
is_cut (EncoderState *e)
{
  return e->encoded->cut >= LSOBS_CUT_PAYLOADS;
}

/* The main field comes first; the others are members of the object that it opens. */
static void
begin_field (EncoderState *e, LsobsField field)
{
  _lsobs_buffer_append_str (e->out, field_keys[field]);
  e->encoded->fields[field].offset = e->out->len;
}

static void
end_field (EncoderState *e, LsobsField field)
{
  e->encoded->fields[field].len = e->out->len - e->encoded->fields[field].offset;
}

/* @cuts: (nullable) */
static void
walk_counting (EncoderState *e, GBytes *json, gboolean wrap, LsobsJsonCuts *cuts)
{
  const LsobsSanitizeOptions options = {
    .redactor = e->settings->redactor,
    .max_string_bytes = (gsize) e->settings->values.max_string_bytes,
    .wrap = wrap,
    .budget = &e->budget,
    .cuts = cuts,
  };
  gsize len;
  const char *text = g_bytes_get_data (json, &len);

  if (!_lsobs_json_sanitize (e->out, text, len, &options))
    _lsobs_counters_add (e->counters, LSOBS_COUNTER_BAD_PAYLOADS, 1);
}

static void
walk (EncoderState *e, GBytes *json, gboolean wrap)
{
  walk_counting (e, json, wrap, NULL);
}

/* @name: the first part of the paths
 * @text: that was sanitized */
static void
keep_cuts (EncoderState *e,
           const LsobsJsonCuts *cuts,
           const char *name,
           const char *text,
           gsize len)
{
  if (cuts->n == 0)
    return;
  e->n_cut += cuts->n;
  _lsobs_json_path_write_cuts (&e->cut_paths, cuts, name, text, len);
}

/* Copies a payload that the writer of JSON has written, if the sanitizer would copy it as it is.
 * @string_bound: as that of a record */
static gboolean
copy_written (EncoderState *e, GBytes *json, guint string_bound)
{
  gsize max_bytes = (gsize) e->settings->values.max_string_bytes;
  gsize len;
  const char *text = g_bytes_get_data (json, &len);

  /* The writer does not check whether characters that are not ASCII are valid. */
  if (string_bound == 0 || (max_bytes > 0 && string_bound - 1 > max_bytes) ||
      e->settings->redactor != NULL || len == 0 || *text != '{' ||
      !_lsobs_json_is_ascii (text, len))
    return FALSE;
  _lsobs_buffer_append (e->out, text, len);
  return TRUE;
}

/* Walks a value of a run, and keeps the paths at which strings were cut.
 * @name: the first part of their paths */
static void
walk_named (EncoderState *e, const char *name, GBytes *json)
{
  LsobsJsonCuts cuts = { 0 };
  gsize len;
  const char *text = g_bytes_get_data (json, &len);

  walk_counting (e, json, TRUE, &cuts);
  keep_cuts (e, &cuts, name, text, len);
}

/* @cuts: (nullable) */
static void
walk_text_counting (EncoderState *e, const char *text, LsobsJsonCuts *cuts)
{
  gsize max_bytes = (gsize) e->settings->values.max_string_bytes;
  const LsobsSanitizeOptions options = {
    .redactor = e->settings->redactor,
    .max_string_bytes = is_cut (e) ? MIN (max_bytes, MIN_NAME_BYTES) : max_bytes,
    .budget = &e->budget,
    .cuts = cuts,
  };

  _lsobs_json_sanitize_text (e->out, text, strlen (text), &options);
}

static void
walk_text (EncoderState *e, const char *text)
{
  walk_text_counting (e, text, NULL);
}

/* Users find traces by names. So names are repaired and cut, but not redacted, and they may
 * be longer than the strings in payloads. */
static void
write_name (EncoderState *e, const char *name, gsize max_bytes)
{
  const LsobsSanitizeOptions options = { .max_string_bytes = max_bytes };

  _lsobs_json_sanitize_text (e->out, name, strlen (name), &options);
}

/* Writes an id as the replica knows it. All ids of runs, traces and feedback are written here
 * or in write_path(). */
static void
write_mapped_id (EncoderState *e, const LsobsId *id, char *text)
{
  LsobsId mapped = *id;

  if (e->seed != NULL)
    _lsobs_id_remap (&mapped, e->seed);
  _lsobs_id_write (&mapped, text);
}

static void
write_id (EncoderState *e, const char *key, const LsobsId *id)
{
  _lsobs_buffer_append_str (e->out, key);
  /* The id of the record is known as text. A root has the same id as its trace. */
  if (e->record->feedback == NULL && _lsobs_id_equal (id, &e->record->info->segment.id))
    {
      _lsobs_buffer_append (e->out, e->encoded->id, LSOBS_UUID_LEN);
    }
  else
    {
      write_mapped_id (e, id, _lsobs_buffer_reserve (e->out, LSOBS_UUID_LEN));
      e->out->len += LSOBS_UUID_LEN;
    }
  _lsobs_buffer_append_c (e->out, '"');
}

/* Examples are in the service already: replicas do not map their ids. */
static void
write_example_id (EncoderState *e)
{
  _lsobs_buffer_append_str (e->out, ",\"reference_example_id\":\"");
  _lsobs_id_write (&e->record->example_id, _lsobs_buffer_reserve (e->out, LSOBS_UUID_LEN));
  e->out->len += LSOBS_UUID_LEN;
  _lsobs_buffer_append_c (e->out, '"');
}

static void
write_time (EncoderState *e, const char *key, gint64 time_us)
{
  _lsobs_buffer_append_str (e->out, key);
  _lsobs_time_write_iso (time_us, _lsobs_buffer_reserve (e->out, LSOBS_ISO_LEN));
  e->out->len += LSOBS_ISO_LEN;
  _lsobs_buffer_append_c (e->out, '"');
}

static void
write_path (EncoderState *e)
{
  gsize len = _lsobs_run_info_get_path_len (e->record->info);
  char *text = _lsobs_buffer_reserve (e->out, len);

  _lsobs_run_info_write_path (e->record->info, e->seed, text);
  e->out->len += len;
}

/* Writes the project or the address; the service refuses a run with both. */
static void
write_target (EncoderState *e)
{
  _lsobs_buffer_append_str (e->out, e->target->is_address ? ",\"address\":" : ",\"session_name\":");
  write_name (e, e->target->name, 0);
}

/* Updates carry the whole identity, too. So the service can show an update that arrives
 * before its create, or without it. */
static void
write_main (EncoderState *e)
{
  LsobsRunInfo *info = e->record->info;

  begin_field (e, LSOBS_FIELD_MAIN);
  write_id (e, "{\"id\":\"", &info->segment.id);
  write_id (e, ",\"trace_id\":\"", _lsobs_run_info_get_trace_id (info));
  if (info->parent != NULL)
    write_id (e, ",\"parent_run_id\":\"", &info->parent->segment.id);
  _lsobs_buffer_append_str (e->out, ",\"dotted_order\":\"");
  write_path (e);
  _lsobs_buffer_append_str (e->out, "\",\"name\":");
  write_name (e, info->name != NULL && *info->name != '\0' ? info->name : "Unnamed",
              is_cut (e) ? MIN_NAME_BYTES
                         : MAX ((gsize) e->settings->values.max_string_bytes, MIN_NAME_BYTES));
  _lsobs_buffer_append_str (e->out, ",\"run_type\":\"");
  _lsobs_buffer_append_str (e->out, lsobs_run_type_to_string (info->run_type));
  _lsobs_buffer_append_c (e->out, '"');
  write_target (e);
  write_time (e, ",\"start_time\":\"", info->segment.start_time);
  if (e->encoded->end_time != 0)
    write_time (e, ",\"end_time\":\"", e->encoded->end_time);
  if (e->record->has_example)
    write_example_id (e);
  if (e->record->tags != NULL && !is_cut (e))
    {
      _lsobs_buffer_append_str (e->out, ",\"tags\":");
      walk (e, e->record->tags, FALSE);
    }
  end_field (e, LSOBS_FIELD_MAIN);
}

/* Writes the size of a payload in place of the payload. */
static void
write_size (EncoderState *e, GBytes *json)
{
  _lsobs_buffer_append_str (e->out, "{\"__truncated__\":true,\"bytes\":");
  _lsobs_buffer_append_int64 (e->out, (gint64) g_bytes_get_size (json));
  _lsobs_buffer_append_c (e->out, '}');
  _lsobs_counters_add (e->counters, LSOBS_COUNTER_CUT_PAYLOADS, 1);
}

/* @string_bound: as that of a record */
static void
write_payload (EncoderState *e, LsobsField field, GBytes *json, guint string_bound, gboolean hidden)
{
  begin_field (e, field);
  if (hidden)
    {
      _lsobs_buffer_append_str (e->out, "{}");
    }
  else if (is_cut (e))
    {
      write_size (e, json);
    }
  else if (!copy_written (e, json, string_bound))
    {
      walk_named (e, _lsobs_field_names[field], json);
    }
  end_field (e, field);
}

static void
write_event (EncoderState *e, LsobsAnnotationEvent *event)
{
  gsize start = e->out->len;

  if (event->details != NULL)
    {
      walk (e, event->details, TRUE);
      /* Reopen the object to add members. */
      e->out->len--;
    }
  else
    {
      _lsobs_buffer_append_c (e->out, '{');
    }
  if (e->out->len > start + 1)
    _lsobs_buffer_append_c (e->out, ',');
  _lsobs_buffer_append_str (e->out, "\"name\":");
  walk_text (e, event->name);
  write_time (e, ",\"time\":\"", event->time);
  _lsobs_buffer_append_c (e->out, '}');
}

static void
write_events (EncoderState *e)
{
  GPtrArray *events = e->record->events;

  begin_field (e, LSOBS_FIELD_EVENTS);
  _lsobs_buffer_append_c (e->out, '[');
  for (guint i = 0; i < events->len; i++)
    {
      if (i > 0)
        _lsobs_buffer_append_c (e->out, ',');
      write_event (e, g_ptr_array_index (events, i));
    }
  _lsobs_buffer_append_c (e->out, ']');
  end_field (e, LSOBS_FIELD_EVENTS);
}

/* The service replaces the whole of "extra", so it is written whole or not at all. An update
 * has it only if it has changed since the create, or to say which strings were cut: the service
 * counts its bytes again. */
static gboolean
has_extra (EncoderState *e)
{
  LsobsRecord *record = e->record;

  return e->encoded->kind == LSOBS_RECORD_CREATE || record->duration_ms >= 0 ||
         (e->n_cut > 0 && record->final) ||
         ((record->metadata != NULL || record->extra != NULL) && record->extra_new);
}

/* Replaces two objects by one. The first, from @start to @middle, is lsobs' own; the second is
 * the program's, whose members win. */
static void
merge (EncoderState *e, gsize start, gsize middle)
{
  g_auto (LsobsBuffer) merged = LSOBS_BUFFER_INIT;
  const char *text = e->out->data;

  _lsobs_json_merge (&merged, text + start, middle - start, text + middle, e->out->len - middle);
  _lsobs_buffer_truncate (e->out, start);
  _lsobs_buffer_append (e->out, merged.data, merged.len);
}

/* Returns: (nullable): which strings of the inputs were cut, if the create had the inputs: this
 *   record replaces the metadata of the create, which told that */
static const LsobsStringCuts *
peek_earlier_cuts (EncoderState *e)
{
  return e->encoded->kind == LSOBS_RECORD_UPDATE && e->record->inputs == NULL
             ? g_atomic_pointer_get (&e->record->info->cuts)
             : NULL;
}

static gboolean
has_common_metadata (EncoderState *e)
{
  return !e->settings->values.hide_metadata &&
         (e->settings->sample_rate != NULL || e->settings->values.revision_id != NULL ||
          e->n_cut > 0 || peek_earlier_cuts (e) != NULL);
}

/* Writes how many strings were cut, and where the first ones are, so that a reader knows that there
 * was more.
 * @separator: what goes before it */
static void
write_cut_strings (EncoderState *e, char separator)
{
  const LsobsStringCuts *earlier = peek_earlier_cuts (e);
  guint n = e->n_cut + (earlier != NULL ? earlier->n : 0);

  if (n == 0)
    return;
  _lsobs_buffer_append_c (e->out, separator);
  _lsobs_buffer_append_str (e->out, "\"" CUT_STRINGS_KEY "\":{\"count\":");
  _lsobs_buffer_append_int64 (e->out, n);
  _lsobs_buffer_append_str (e->out, ",\"paths\":[");
  if (earlier != NULL)
    _lsobs_buffer_append_str (e->out, earlier->paths);
  if (earlier != NULL && e->cut_paths.len > 0)
    _lsobs_buffer_append_c (e->out, ',');
  _lsobs_buffer_append (e->out, e->cut_paths.data, e->cut_paths.len);
  _lsobs_buffer_append_str (e->out, "]}");
}

/* Writes the metadata that lsobs adds. The sample rate says how many traces each sampled trace
 * stands for, the revision says which version of the program made it. */
static void
write_common_metadata (EncoderState *e)
{
  LsobsRedactor *redactor = e->settings->redactor;
  char separator = '{';

  if (e->settings->sample_rate != NULL)
    {
      _lsobs_buffer_append_str (e->out, "{\"" LSOBS_SAMPLE_RATE_KEY "\":");
      _lsobs_buffer_append_str (e->out, e->settings->sample_rate);
      separator = ',';
    }
  if (e->settings->values.revision_id != NULL)
    {
      _lsobs_buffer_append_c (e->out, separator);
      _lsobs_buffer_append_str (e->out, "\"" REVISION_ID_KEY "\":");
      if (redactor != NULL &&
          _lsobs_redactor_hides_key (redactor, REVISION_ID_KEY, strlen (REVISION_ID_KEY)))
        _lsobs_buffer_append_str (e->out, "\"" LSOBS_REDACTED "\"");
      else
        walk_text (e, e->settings->values.revision_id);
      separator = ',';
    }
  write_cut_strings (e, separator);
  _lsobs_buffer_append_c (e->out, '}');
}

/* Writes the members that the program has set to a buffer of their own. Those that lsobs adds go
 * before them, and tell which of their strings were cut.
 * @name: the first part of their paths */
static void
write_apart (EncoderState *e, LsobsBuffer *apart, const char *name, GBytes *json)
{
  LsobsBuffer *out = e->out;

  e->out = apart;
  if (e->settings->values.hide_metadata)
    _lsobs_buffer_append_str (apart, "{}");
  else if (is_cut (e))
    write_size (e, json);
  else
    walk_named (e, name, json);
  e->out = out;
}

static void
write_metadata (EncoderState *e)
{
  GBytes *metadata = e->record->metadata;
  g_auto (LsobsBuffer) own = LSOBS_BUFFER_INIT;
  gboolean with_common;
  gsize start;
  gsize middle;

  if (metadata != NULL)
    write_apart (e, &own, "metadata", metadata);
  with_common = has_common_metadata (e);
  if (metadata == NULL && !with_common)
    return;
  _lsobs_buffer_append_str (e->out, "\"metadata\":");
  start = e->out->len;
  if (with_common)
    write_common_metadata (e);
  middle = e->out->len;
  _lsobs_buffer_append (e->out, own.data, own.len);
  if (with_common && metadata != NULL)
    merge (e, start, middle);
  _lsobs_buffer_append_c (e->out, ',');
}

static void
write_extra (EncoderState *e)
{
  GBytes *extra = e->settings->values.hide_metadata || is_cut (e) ? NULL : e->record->extra;
  g_auto (LsobsBuffer) own = LSOBS_BUFFER_INIT;
  gsize start;
  gsize middle;

  if (extra != NULL)
    write_apart (e, &own, "extra", extra);
  begin_field (e, LSOBS_FIELD_EXTRA);
  start = e->out->len;
  _lsobs_buffer_append_c (e->out, '{');
  if (e->record->duration_ms >= 0)
    {
      _lsobs_buffer_append_str (e->out, "\"duration_ms\":");
      _lsobs_buffer_append_int64 (e->out, e->record->duration_ms);
      _lsobs_buffer_append_c (e->out, ',');
    }
  write_metadata (e);
  _lsobs_buffer_append_str (e->out, "\"runtime\":");
  _lsobs_runtime_write (e->out);
  _lsobs_buffer_append_c (e->out, '}');
  if (extra != NULL)
    {
      middle = e->out->len;
      _lsobs_buffer_append (e->out, own.data, own.len);
      merge (e, start, middle);
    }
  end_field (e, LSOBS_FIELD_EXTRA);
}

/* An empty text would read as "no error", but the run has failed. */
static void
write_error (EncoderState *e)
{
  const char *error = e->record->error;
  LsobsJsonCuts cuts = { 0 };

  begin_field (e, LSOBS_FIELD_ERROR);
  walk_text_counting (e, *error != '\0' ? error : "Unknown error", &cuts);
  keep_cuts (e, &cuts, _lsobs_field_names[LSOBS_FIELD_ERROR], "{}", 2);
  end_field (e, LSOBS_FIELD_ERROR);
}

/* The service takes "serialized" only in a create. It may hold inputs and metadata, so
 * hiding either hides it. */
static gboolean
has_serialized (EncoderState *e)
{
  return e->record->serialized != NULL && e->encoded->kind == LSOBS_RECORD_CREATE &&
         !e->settings->values.hide_inputs && !e->settings->values.hide_metadata;
}

static void
write_run (EncoderState *e)
{
  LsobsRecord *record = e->record;

  write_main (e);
  if (record->inputs != NULL)
    {
      write_payload (e, LSOBS_FIELD_INPUTS, record->inputs, record->inputs_string_bound,
                     e->settings->values.hide_inputs);
    }
  else if (e->encoded->kind == LSOBS_RECORD_CREATE)
    {
      begin_field (e, LSOBS_FIELD_INPUTS);
      _lsobs_buffer_append_str (e->out, "{}");
      end_field (e, LSOBS_FIELD_INPUTS);
    }
  if (record->outputs != NULL)
    write_payload (e, LSOBS_FIELD_OUTPUTS, record->outputs, record->outputs_string_bound,
                   e->settings->values.hide_outputs);
  if (record->events != NULL && record->events->len > 0 && !is_cut (e))
    write_events (e);
  if (record->error != NULL)
    write_error (e);
  if (e->n_cut > 0 && e->encoded->kind == LSOBS_RECORD_CREATE)
    _lsobs_run_info_keep_cuts (record->info, e->n_cut, e->cut_paths.data, e->cut_paths.len);
  if (has_extra (e))
    write_extra (e);
  if (has_serialized (e))
    write_payload (e, LSOBS_FIELD_SERIALIZED, record->serialized, 0, FALSE);
}

static void
write_score (EncoderState *e, LsobsFeedback *feedback)
{
  g_autoptr (JsonNode) node = json_node_alloc ();
  double score = feedback->score;
  gboolean large = score >= MAX_SCORE || score <= -MAX_SCORE;
  gint64 scaled = large ? 0 : (gint64) (score * SCORE_SCALE + (score < 0 ? -0.5 : 0.5));

  if (feedback->score_kind == LSOBS_SCORE_NONE)
    return;
  if (feedback->score_kind == LSOBS_SCORE_BOOLEAN)
    json_node_init_boolean (node, score != 0);
  else if (large)
    json_node_init_double (node, score);
  else if (scaled % SCORE_SCALE == 0)
    json_node_init_int (node, scaled / SCORE_SCALE);
  else
    json_node_init_double (node, (double) scaled / SCORE_SCALE);
  _lsobs_buffer_append_str (e->out, ",\"score\":");
  _lsobs_json_write_node (e->out, node, G_MAXSSIZE);
}

/* @json: (nullable) */
static void
write_member (EncoderState *e, const char *key, GBytes *json, gboolean wrap, gboolean hidden)
{
  if (json == NULL)
    return;
  _lsobs_buffer_append_str (e->out, key);
  if (hidden)
    _lsobs_buffer_append_str (e->out, "{}");
  else if (is_cut (e))
    write_size (e, json);
  else
    walk (e, json, wrap);
}

/* Writes an id of the service, which replicas do not map.
 * @text: (nullable): not written if it is no UUID */
static void
write_service_id (EncoderState *e, const char *key, const char *text)
{
  LsobsId id;

  if (text == NULL || !_lsobs_id_parse (&id, text))
    return;
  _lsobs_buffer_append_str (e->out, key);
  _lsobs_id_write (&id, _lsobs_buffer_reserve (e->out, LSOBS_UUID_LEN));
  e->out->len += LSOBS_UUID_LEN;
  _lsobs_buffer_append_c (e->out, '"');
}

static void
write_source (EncoderState *e, LsobsFeedback *feedback)
{
  _lsobs_buffer_append_str (e->out, ",\"feedback_source\":{\"type\":\"");
  _lsobs_buffer_append_str (e->out,
                            feedback->source == LSOBS_FEEDBACK_SOURCE_MODEL ? "model" : "api");
  _lsobs_buffer_append_c (e->out, '"');
  if (feedback->metadata != NULL)
    write_member (e, ",\"metadata\":", feedback->metadata, TRUE, e->settings->values.hide_metadata);
  else
    _lsobs_buffer_append_str (e->out, ",\"metadata\":{}");
  _lsobs_buffer_append_c (e->out, '}');
}

/* Writes the project or the address of the run; the service refuses feedback with both. The
 * program knows the project's id at the first destination only. */
static void
write_feedback_target (EncoderState *e, LsobsFeedback *feedback)
{
  char text[LSOBS_UUID_LEN + 1] = "";

  if (e->record->has_project_id)
    _lsobs_id_write (&e->record->project_id, text);
  if (e->settings->index == 0 && feedback->project_id != NULL)
    write_service_id (e, ",\"session_id\":\"", feedback->project_id);
  else if (e->target->is_address)
    write_target (e);
  else if (e->record->has_project_id)
    write_service_id (e, ",\"session_id\":\"", text);
}

static void
write_feedback (EncoderState *e)
{
  LsobsRunInfo *info = e->record->info;
  LsobsFeedback *feedback = e->record->feedback;

  begin_field (e, LSOBS_FIELD_MAIN);
  write_id (e, "{\"id\":\"", &feedback->id);
  write_id (e, ",\"run_id\":\"", &info->segment.id);
  write_id (e, ",\"trace_id\":\"", _lsobs_run_info_get_trace_id (info));
  _lsobs_buffer_append_str (e->out, ",\"key\":");
  write_name (e, feedback->key,
              is_cut (e) ? MIN_NAME_BYTES
                         : MAX ((gsize) e->settings->values.max_string_bytes, MIN_NAME_BYTES));
  write_score (e, feedback);
  /* The redaction hook may have changed the type. */
  write_member (e, ",\"value\":", feedback->value, !_lsobs_feedback_is_value (feedback->value),
                FALSE);
  if (feedback->comment != NULL)
    {
      _lsobs_buffer_append_str (e->out, ",\"comment\":");
      walk_text (e, feedback->comment);
    }
  write_member (e, ",\"correction\":", feedback->correction,
                !_lsobs_feedback_is_correction (feedback->correction),
                e->settings->values.hide_outputs);
  write_source (e, feedback);
  write_feedback_target (e, feedback);
  if (feedback->start_time != 0)
    write_time (e, ",\"start_time\":\"", feedback->start_time);
  write_time (e, ",\"created_at\":\"", feedback->created_at);
  write_time (e, ",\"modified_at\":\"", feedback->created_at);
  write_service_id (e, ",\"comparative_experiment_id\":\"", feedback->experiment_id);
  write_service_id (e, ",\"feedback_group_id\":\"", feedback->group_id);
  /* The size of a payload, or the text of a failed redaction, is not a valid config. */
  if (!is_cut (e) && _lsobs_feedback_is_config (feedback->config))
    write_member (e, ",\"feedback_config\":", feedback->config, TRUE, FALSE);
  write_member (e, ",\"extra\":", e->settings->values.hide_metadata ? NULL : feedback->extra, TRUE,
                FALSE);
  if (feedback->is_error)
    _lsobs_buffer_append_str (e->out, ",\"error\":true");
  if (feedback->keep_retention)
    _lsobs_buffer_append_str (e->out, ",\"extend_trace_retention\":false");
  end_field (e, LSOBS_FIELD_MAIN);
}

G_STATIC_ASSERT (sizeof (LsobsEncoded) <= LSOBS_SLAB_SIZE);

/* Returns: (transfer full): one whose members the caller sets, but for the reference count */
LsobsEncoded *
_lsobs_encoded_new (void)
{
  LsobsEncoded *self = _lsobs_slab_alloc ();

  memset (self, 0, sizeof *self);
  g_atomic_ref_count_init (&self->ref_count);
  return self;
}

/* @record: (transfer full)
 * Returns: (transfer full): without text and attachments, for the caller to fill */
static LsobsEncoded *
encoded_new (LsobsRecord *record, LsobsCounters *counters, LsobsRecordKind kind, LsobsCut cut)
{
  LsobsEncoded *self = _lsobs_encoded_new ();
  LsobsRunInfo *info = record->info;

  self->record = record;
  self->counters = _lsobs_counters_ref (counters);
  self->kind = kind;
  self->run_type = info->run_type;
  self->start_time = info->segment.start_time;
  self->end_time = record->end_time != 0 ? MAX (record->end_time, self->start_time) : 0;
  self->cut = cut;
  return self;
}

/* A buffer for texts that has become larger is not kept. */
#define MAX_KEPT_TEXT (1024 * 1024)

void
_lsobs_encoder_memory_clear (LsobsEncoderMemory *self)
{
  _lsobs_buffer_clear (&self->text);
  _lsobs_block_row_clear (&self->row);
}

/* The bytes that the text of a record has besides its payloads; mostly, it has fewer. */
#define MAIN_SIZE 2048

/* Returns: (transfer none): where the text of @record is written
 * @lent: gets memory of the row, if the text is likely to fit there */
static LsobsBuffer *
begin_text (LsobsEncoderMemory *memory, LsobsRecord *record, LsobsBuffer *lent)
{
  gsize expected =
      MAIN_SIZE + _lsobs_bytes_get_size (record->inputs) + _lsobs_bytes_get_size (record->outputs);

  if (memory == NULL || _lsobs_block_row_lend (&memory->row, expected, lent))
    return lent;
  return &memory->text;
}

/* @text: empty afterwards
 * Returns: (transfer full) */
static GBytes *
take_text (LsobsEncoderMemory *memory, LsobsBuffer *text)
{
  GBytes *bytes;

  if (text->lent)
    return _lsobs_block_row_take (&memory->row, text);

  /* The pool does not keep memory for so large a text, so a copy would have no use. */
  if (memory == NULL || text->len > LSOBS_BLOCK_MAX_SIZE)
    return _lsobs_buffer_steal_bytes (text);
  bytes = _lsobs_block_row_add (&memory->row, text->data, text->len);
  _lsobs_buffer_truncate (text, 0);
  if (text->allocated > MAX_KEPT_TEXT)
    _lsobs_buffer_clear (text);
  return bytes;
}

/* Writes the text of @encoded, which is still known to the caller only.
 * @counters: where problems of the payloads count */
static void
encode (const LsobsEncoder *self, LsobsCounters *counters, LsobsEncoded *encoded)
{
  LsobsSettings *settings = self->settings;
  LsobsRecord *record = encoded->record;
  g_auto (LsobsBuffer) lent = LSOBS_BUFFER_INIT;
  LsobsBuffer *text = begin_text (self->memory, record, &lent);
  LsobsTarget *own = _lsobs_settings_get_own_target (settings, record->info->target);
  EncoderState e = {
    .settings = settings,
    .counters = counters,
    .encoded = encoded,
    .record = record,
    .out = text,
    .target = _lsobs_settings_get_target (settings, own),
    .seed = _lsobs_settings_get_seed (settings, own),
    .budget = LSOBS_REDACT_BUDGET_INIT,
  };

  write_mapped_id (&e, record->feedback != NULL ? &record->feedback->id : &record->info->segment.id,
                   encoded->id);

  if (record->feedback != NULL)
    write_feedback (&e);
  else
    write_run (&e);
  _lsobs_buffer_append_c (text, '}');
  _lsobs_buffer_clear (&e.cut_paths);
  encoded->text = take_text (self->memory, text);
  if (settings->redactor != NULL)
    _lsobs_counters_add (counters, LSOBS_COUNTER_REDACTION_FAILURES,
                         (gssize) _lsobs_redactor_take_failures (settings->redactor));
}

/* Encodes a record whose annotations are written out and which has passed the redaction
 * hook.
 * @record: (transfer full)
 * Returns: (transfer full) */
LsobsEncoded *
_lsobs_encoder_encode (const LsobsEncoder *self, LsobsRecord *record)
{
  LsobsEncoded *encoded;

  g_assert (record->annotations == NULL);
  encoded = encoded_new (record, self->counters, record->kind, LSOBS_CUT_NOTHING);
  encoded->attachments = g_steal_pointer (&record->attachments);
  encode (self, self->counters, encoded);
  return encoded;
}

/* Encodes the same record as another operation. Problems of its payloads were counted when it
 * was encoded first.
 * Returns: (transfer full) */
LsobsEncoded *
_lsobs_encoder_convert (const LsobsEncoder *self, LsobsEncoded *encoded, LsobsRecordKind kind)
{
  g_autoptr (LsobsCounters) ignored = _lsobs_counters_new ();
  LsobsEncoded *converted =
      encoded_new (_lsobs_record_ref (encoded->record), self->counters, kind, encoded->cut);

  if (encoded->attachments != NULL)
    converted->attachments = g_ptr_array_ref (encoded->attachments);
  encode (self, ignored, converted);
  return converted;
}

/* @attachments: (transfer full) (nullable)
 * Returns: (transfer full): the same text with other attachments */
static LsobsEncoded *
replace_attachments (LsobsEncoded *encoded, GPtrArray *attachments, LsobsCut cut)
{
  LsobsEncoded *self =
      encoded_new (_lsobs_record_ref (encoded->record), encoded->counters, encoded->kind, cut);

  memcpy (self->id, encoded->id, sizeof self->id);
  memcpy (self->fields, encoded->fields, sizeof self->fields);
  self->text = g_bytes_ref (encoded->text);
  self->attachments = attachments;
  return self;
}

/* Makes a smaller version of a record that is too large even alone. The first step drops the
 * attachments. The second replaces inputs, outputs and metadata by their sizes, drops tags
 * and events, and shortens the other strings.
 * Returns: (transfer full) (nullable): NULL after the last step */
LsobsEncoded *
_lsobs_encoder_cut (const LsobsEncoder *self, LsobsEncoded *encoded)
{
  LsobsEncoded *smaller;

  if (encoded->cut >= LSOBS_CUT_PAYLOADS)
    return NULL;
  if (encoded->attachments != NULL)
    {
      _lsobs_counters_add (self->counters, LSOBS_COUNTER_DROPPED_ATTACHMENTS,
                           encoded->attachments->len);
      return replace_attachments (encoded, NULL, LSOBS_CUT_ATTACHMENTS);
    }
  smaller = encoded_new (_lsobs_record_ref (encoded->record), self->counters, encoded->kind,
                         LSOBS_CUT_PAYLOADS);
  encode (self, self->counters, smaller);
  return smaller;
}

/* As _lsobs_encoder_cut(), but drops the attachments one by one, the largest first.
 * Returns: (transfer full) (nullable): NULL after the last step */
LsobsEncoded *
_lsobs_encoder_shrink (const LsobsEncoder *self, LsobsEncoded *encoded)
{
  GPtrArray *attachments = NULL;

  if (encoded->attachments == NULL)
    return _lsobs_encoder_cut (self, encoded);
  _lsobs_attachments_unite (&attachments, encoded->attachments);
  _lsobs_attachments_remove_largest (&attachments);
  _lsobs_counters_add (self->counters, LSOBS_COUNTER_DROPPED_ATTACHMENTS, 1);
  return replace_attachments (encoded, attachments, encoded->cut);
}

/* The bytes of the JSON text and of the attachments: the size of the record for a transport
 * that adds no framing. */
gsize
_lsobs_encoded_get_size (const LsobsEncoded *self)
{
  gsize size = g_bytes_get_size (self->text);

  for (guint i = 0; self->attachments != NULL && i < self->attachments->len; i++)
    size += g_bytes_get_size (((LsobsAttachment *) g_ptr_array_index (self->attachments, i))->data);
  return size;
}

LsobsEncoded *
_lsobs_encoded_ref (LsobsEncoded *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
_lsobs_encoded_unref (LsobsEncoded *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  _lsobs_record_unref (self->record);
  _lsobs_counters_unref (self->counters);
  g_bytes_unref (self->text);
  g_clear_pointer (&self->attachments, g_ptr_array_unref);
  _lsobs_slab_free (self);
}
