/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>
#include <sys/utsname.h>

#include "lsobs/config/lsobs-probability-sampler-private.h"
#include "lsobs/transport/lsobs-record-hook-private.h"
#include "lsobs/text/lsobs-json-merge-private.h"
#include "lsobs/text/lsobs-json-walker-private.h"
#include "lsobs/text/lsobs-json-writer-private.h"
#include "lsobs/transport/lsobs-encoder-private.h"

/* A name is cut to no less than this, however short payloads are to be. */
#define MIN_NAME_BYTES 1000

/* In the metadata of each run, when the program says what it is. */
#define REVISION_ID_KEY "revision_id"

/* Of a score four decimals are kept, as the official clients do; a larger one than
 * MAX_SCORE has no more. */
#define SCORE_SCALE 10000
#define MAX_SCORE   1e11

const char *const _lsobs_field_names[LSOBS_N_FIELDS] = { "main",  "inputs", "outputs",   "events",
                                                         "extra", "error",  "serialized" };

/* What all the writers below share while one record is encoded. */
typedef struct
{
  LsobsSettings *settings;
  LsobsCounters *counters;
  LsobsEncoded *encoded;
  LsobsRecord *record;
  LsobsBuffer *out;
  LsobsTarget *target; /* (unowned) where the run goes */
  const char *seed;    /* (unowned) (nullable) what its ids are made fit for */
  LsobsRedactBudget budget;
} Encoding;

static gboolean
is_cut (Encoding *e)
{
  return e->encoded->cut >= LSOBS_CUT_PAYLOADS;
}

static void
begin_field (Encoding *e, LsobsField field)
{
  e->encoded->fields[field].offset = e->out->len;
}

static void
end_field (Encoding *e, LsobsField field)
{
  e->encoded->fields[field].len = e->out->len - e->encoded->fields[field].offset;
}

static void
walk (Encoding *e, GBytes *json, gboolean wrap)
{
  const LsobsJsonWalkOptions options = { e->settings->redactor, e->settings->max_string_bytes, wrap,
                                         &e->budget };
  gsize len;
  const char *text = g_bytes_get_data (json, &len);

  if (!_lsobs_json_walk (e->out, text, len, &options))
    _lsobs_counters_add (e->counters, LSOBS_COUNTER_BAD_PAYLOADS, 1);
}

static void
walk_text (Encoding *e, const char *text)
{
  /* clang-format off */
  const LsobsJsonWalkOptions options = {
    e->settings->redactor,
    is_cut (e) ? MIN (e->settings->max_string_bytes, MIN_NAME_BYTES)
                    : e->settings->max_string_bytes,
    FALSE, &e->budget
  };
  /* clang-format on */

  _lsobs_json_walk_text (e->out, text, strlen (text), &options);
}

/* Names are what traces are found by: repaired and cut, but not redacted, and not
 * cut as short as payloads may be. */
static void
write_name (Encoding *e, const char *name, gsize max_bytes)
{
  const LsobsJsonWalkOptions options = { NULL, max_bytes, FALSE, NULL };

  _lsobs_json_walk_text (e->out, name, strlen (name), &options);
}

/* Every id that leaves goes through here, or through write_path(). */
static void
write_mapped_id (Encoding *e, const LsobsId *id, char *text)
{
  LsobsId mapped = *id;

  if (e->seed != NULL)
    _lsobs_id_remap (&mapped, e->seed);
  _lsobs_id_write (&mapped, text);
}

static void
write_id (Encoding *e, const char *key, const LsobsId *id)
{
  _lsobs_buffer_append_str (e->out, key);
  write_mapped_id (e, id, _lsobs_buffer_reserve (e->out, LSOBS_UUID_LEN));
  e->out->len += LSOBS_UUID_LEN;
  _lsobs_buffer_append_c (e->out, '"');
}

/* The id of something that is at the service already: the same wherever the run goes. */
static void
write_example_id (Encoding *e)
{
  _lsobs_buffer_append_str (e->out, ",\"reference_example_id\":\"");
  _lsobs_id_write (&e->record->example_id, _lsobs_buffer_reserve (e->out, LSOBS_UUID_LEN));
  e->out->len += LSOBS_UUID_LEN;
  _lsobs_buffer_append_c (e->out, '"');
}

static void
write_time (Encoding *e, const char *key, gint64 time_us)
{
  _lsobs_buffer_append_str (e->out, key);
  _lsobs_time_write_iso (time_us, _lsobs_buffer_reserve (e->out, LSOBS_ISO_LEN));
  e->out->len += LSOBS_ISO_LEN;
  _lsobs_buffer_append_c (e->out, '"');
}

static void
write_path (Encoding *e)
{
  gsize len = _lsobs_run_info_get_path_len (e->record->info);
  char *text = _lsobs_buffer_reserve (e->out, len);

  _lsobs_run_info_write_mapped_path (e->record->info, e->seed, text);
  e->out->len += len;
}

/* The service refuses a run that has both. */
static void
write_destination (Encoding *e)
{
  _lsobs_buffer_append_str (e->out, e->target->is_address ? ",\"address\":" : ",\"session_name\":");
  write_name (e, e->target->name, 0);
}

/* Every record carries the whole identity, updates too: so an update that comes
 * before its create, or without it, can still be shown. */
static void
write_main (Encoding *e)
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
              is_cut (e) ? MIN_NAME_BYTES : MAX (e->settings->max_string_bytes, MIN_NAME_BYTES));
  _lsobs_buffer_append_str (e->out, ",\"run_type\":\"");
  _lsobs_buffer_append_str (e->out, lsobs_run_type_to_string (info->run_type));
  _lsobs_buffer_append_c (e->out, '"');
  write_destination (e);
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
  _lsobs_buffer_append_c (e->out, '}');
  end_field (e, LSOBS_FIELD_MAIN);
}

/* In place of what has no room. */
static void
write_size (Encoding *e, GBytes *json)
{
  _lsobs_buffer_append_str (e->out, "{\"__truncated__\":true,\"bytes\":");
  _lsobs_buffer_append_int64 (e->out, (gint64) g_bytes_get_size (json));
  _lsobs_buffer_append_c (e->out, '}');
  _lsobs_counters_add (e->counters, LSOBS_COUNTER_CUT_PAYLOADS, 1);
}

static void
write_payload (Encoding *e, LsobsField field, GBytes *json, gboolean hidden)
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
  else
    {
      walk (e, json, TRUE);
    }
  end_field (e, field);
}

static void
write_event (Encoding *e, LsobsRecordEvent *event)
{
  gsize start = e->out->len;

  if (event->details != NULL)
    {
      walk (e, event->details, TRUE);
      /* Go on inside the object. */
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
write_events (Encoding *e)
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

/* What the service shows as the runtime of a run; nothing of the environment. */
static const char *
get_runtime (void)
{
  static char *runtime;

  if (g_once_init_enter (&runtime))
    {
      struct utsname name;
      g_autofree char *platform = NULL;
      g_auto (LsobsBuffer) quoted = LSOBS_BUFFER_INIT;

      if (uname (&name) == 0)
        {
          g_autofree char *system = g_ascii_strdown (name.sysname, -1);

          platform = g_strdup_printf ("%s-%s", system, name.machine);
        }
      else
        {
          platform = g_strdup ("unknown");
        }
      _lsobs_json_write_string (&quoted, platform, strlen (platform));
      g_once_init_leave (&runtime,
                         g_strdup_printf ("{\"library\":\"lsobs\",\"sdk\":\"lsobs\","
                                          "\"sdk_version\":\"%s\",\"runtime\":\"c\","
                                          "\"platform\":%.*s}",
                                          PACKAGE_VERSION, (int) quoted.len, quoted.data));
    }
  return runtime;
}

/* The service replaces extra as a whole, so it is written whole or not at all; in
 * an update only when there is news, since the service counts the bytes again. */
static gboolean
has_extra (Encoding *e)
{
  LsobsRecord *record = e->record;

  return e->encoded->kind == LSOBS_RECORD_CREATE || record->duration_ms >= 0 ||
         ((record->metadata != NULL || record->extra != NULL) && record->extra_new);
}

/* What was written from @start to @middle is what lsobs says by itself; what comes
 * after is the program's, and wins. One object is made of the two. */
static void
merge (Encoding *e, gsize start, gsize middle)
{
  g_auto (LsobsBuffer) merged = LSOBS_BUFFER_INIT;
  const char *text = e->out->data;

  _lsobs_json_merge (&merged, text + start, middle - start, text + middle, e->out->len - middle);
  _lsobs_buffer_truncate (e->out, start);
  _lsobs_buffer_append (e->out, merged.data, merged.len);
}

static gboolean
has_common_metadata (const LsobsSettings *settings)
{
  return !settings->hide_metadata &&
         (settings->sample_rate != NULL || settings->revision_id != NULL);
}

/* What is the same for all runs: the share of traces that is sent tells of how many
 * traces this one stands for, the revision from which program it comes. */
static void
write_common_metadata (Encoding *e)
{
  LsobsRedactor *redactor = e->settings->redactor;
  char separator = '{';

  if (e->settings->sample_rate != NULL)
    {
      _lsobs_buffer_append_str (e->out, "{\"" LSOBS_SAMPLE_RATE_KEY "\":");
      _lsobs_buffer_append_str (e->out, e->settings->sample_rate);
      separator = ',';
    }
  if (e->settings->revision_id != NULL)
    {
      _lsobs_buffer_append_c (e->out, separator);
      _lsobs_buffer_append_str (e->out, "\"" REVISION_ID_KEY "\":");
      if (redactor != NULL &&
          _lsobs_redactor_hides_key (redactor, REVISION_ID_KEY, strlen (REVISION_ID_KEY)))
        _lsobs_buffer_append_str (e->out, "\"" LSOBS_REDACTED "\"");
      else
        walk_text (e, e->settings->revision_id);
    }
  _lsobs_buffer_append_c (e->out, '}');
}

static void
write_metadata (Encoding *e)
{
  gboolean with_common = has_common_metadata (e->settings);
  GBytes *metadata = e->record->metadata;
  gsize start;
  gsize middle;

  if (metadata == NULL && !with_common)
    return;
  _lsobs_buffer_append_str (e->out, "\"metadata\":");
  start = e->out->len;
  if (with_common)
    write_common_metadata (e);
  middle = e->out->len;
  if (metadata != NULL && e->settings->hide_metadata)
    _lsobs_buffer_append_str (e->out, "{}");
  else if (metadata != NULL && is_cut (e))
    write_size (e, metadata);
  else if (metadata != NULL)
    walk (e, metadata, TRUE);
  if (with_common && metadata != NULL)
    merge (e, start, middle);
  _lsobs_buffer_append_c (e->out, ',');
}

static void
write_extra (Encoding *e)
{
  GBytes *extra = e->settings->hide_metadata || is_cut (e) ? NULL : e->record->extra;
  gsize start = e->out->len;
  gsize middle;

  begin_field (e, LSOBS_FIELD_EXTRA);
  _lsobs_buffer_append_c (e->out, '{');
  if (e->record->duration_ms >= 0)
    {
      _lsobs_buffer_append_str (e->out, "\"duration_ms\":");
      _lsobs_buffer_append_int64 (e->out, e->record->duration_ms);
      _lsobs_buffer_append_c (e->out, ',');
    }
  write_metadata (e);
  _lsobs_buffer_append_str (e->out, "\"runtime\":");
  _lsobs_buffer_append_str (e->out, get_runtime ());
  _lsobs_buffer_append_c (e->out, '}');
  if (extra != NULL)
    {
      middle = e->out->len;
      walk (e, extra, TRUE);
      merge (e, start, middle);
    }
  end_field (e, LSOBS_FIELD_EXTRA);
}

/* An empty text might be taken for none; but the run has failed. */
static void
write_error (Encoding *e)
{
  const char *error = e->record->error;

  begin_field (e, LSOBS_FIELD_ERROR);
  walk_text (e, *error != '\0' ? error : "Unknown error");
  end_field (e, LSOBS_FIELD_ERROR);
}

/* Only when the run begins: the service has no use for it later. It may tell of both,
 * what goes in and what is set. */
static gboolean
has_serialized (Encoding *e)
{
  return e->record->serialized != NULL && e->encoded->kind == LSOBS_RECORD_CREATE &&
         !e->settings->hide_inputs && !e->settings->hide_metadata;
}

static void
write_run (Encoding *e)
{
  LsobsRecord *record = e->record;

  write_main (e);
  if (record->inputs != NULL)
    {
      write_payload (e, LSOBS_FIELD_INPUTS, record->inputs, e->settings->hide_inputs);
    }
  else if (e->encoded->kind == LSOBS_RECORD_CREATE)
    {
      begin_field (e, LSOBS_FIELD_INPUTS);
      _lsobs_buffer_append_str (e->out, "{}");
      end_field (e, LSOBS_FIELD_INPUTS);
    }
  if (record->outputs != NULL)
    write_payload (e, LSOBS_FIELD_OUTPUTS, record->outputs, e->settings->hide_outputs);
  if (record->events != NULL && record->events->len > 0 && !is_cut (e))
    write_events (e);
  if (has_extra (e))
    write_extra (e);
  if (record->error != NULL)
    write_error (e);
  if (has_serialized (e))
    write_payload (e, LSOBS_FIELD_SERIALIZED, record->serialized, FALSE);
}

static void
write_score (Encoding *e, LsobsFeedback *feedback)
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
write_member (Encoding *e, const char *key, GBytes *json, gboolean wrap, gboolean hidden)
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

/* An id that the program knows from elsewhere. @text: (nullable) */
static void
write_foreign_id (Encoding *e, const char *key, const char *text)
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
write_source (Encoding *e, LsobsFeedback *feedback)
{
  _lsobs_buffer_append_str (e->out, ",\"feedback_source\":{\"type\":\"");
  _lsobs_buffer_append_str (e->out,
                            feedback->source == LSOBS_FEEDBACK_SOURCE_MODEL ? "model" : "api");
  _lsobs_buffer_append_c (e->out, '"');
  if (feedback->metadata != NULL)
    write_member (e, ",\"metadata\":", feedback->metadata, TRUE, e->settings->hide_metadata);
  else
    _lsobs_buffer_append_str (e->out, ",\"metadata\":{}");
  _lsobs_buffer_append_c (e->out, '}');
}

/* Where the run is: a project or an address, never both. The id that the program sets is
 * the id of the project at the first place. */
static void
write_whereabouts (Encoding *e, LsobsFeedback *feedback)
{
  char text[LSOBS_UUID_LEN + 1] = "";

  if (e->record->has_project_id)
    _lsobs_id_write (&e->record->project_id, text);
  if (e->settings->lane == 0 && feedback->project_id != NULL)
    write_foreign_id (e, ",\"session_id\":\"", feedback->project_id);
  else if (e->target->is_address)
    write_destination (e);
  else if (e->record->has_project_id)
    write_foreign_id (e, ",\"session_id\":\"", text);
}

static void
write_feedback (Encoding *e)
{
  LsobsRunInfo *info = e->record->info;
  LsobsFeedback *feedback = e->record->feedback;

  begin_field (e, LSOBS_FIELD_MAIN);
  write_id (e, "{\"id\":\"", &feedback->id);
  write_id (e, ",\"run_id\":\"", &info->segment.id);
  write_id (e, ",\"trace_id\":\"", _lsobs_run_info_get_trace_id (info));
  _lsobs_buffer_append_str (e->out, ",\"key\":");
  write_name (e, feedback->key,
              is_cut (e) ? MIN_NAME_BYTES : MAX (e->settings->max_string_bytes, MIN_NAME_BYTES));
  write_score (e, feedback);
  /* The program's redaction may have changed the shape. */
  write_member (e, ",\"value\":", feedback->value, !_lsobs_feedback_is_value (feedback->value),
                FALSE);
  if (feedback->comment != NULL)
    {
      _lsobs_buffer_append_str (e->out, ",\"comment\":");
      walk_text (e, feedback->comment);
    }
  write_member (e, ",\"correction\":", feedback->correction,
                !_lsobs_feedback_is_correction (feedback->correction), e->settings->hide_outputs);
  write_source (e, feedback);
  write_whereabouts (e, feedback);
  if (feedback->start_time != 0)
    write_time (e, ",\"start_time\":\"", feedback->start_time);
  write_time (e, ",\"created_at\":\"", feedback->created_at);
  write_time (e, ",\"modified_at\":\"", feedback->created_at);
  write_foreign_id (e, ",\"comparative_experiment_id\":\"", feedback->experiment_id);
  write_foreign_id (e, ",\"feedback_group_id\":\"", feedback->group_id);
  /* The note of a size, or of a redaction that failed, would be no config. */
  if (!is_cut (e) && _lsobs_feedback_is_config (feedback->config))
    write_member (e, ",\"feedback_config\":", feedback->config, TRUE, FALSE);
  write_member (e, ",\"extra\":", e->settings->hide_metadata ? NULL : feedback->extra, TRUE, FALSE);
  if (feedback->is_error)
    _lsobs_buffer_append_str (e->out, ",\"error\":true");
  if (feedback->keep_retention)
    _lsobs_buffer_append_str (e->out, ",\"extend_trace_retention\":false");
  _lsobs_buffer_append_c (e->out, '}');
  end_field (e, LSOBS_FIELD_MAIN);
}

/* All but the text and the attachments.
 * @record: (transfer full) */
static LsobsEncoded *
encoded_new (LsobsRecord *record, LsobsRecordKind kind, LsobsCut cut)
{
  LsobsEncoded *self = g_new0 (LsobsEncoded, 1);
  LsobsRunInfo *info = record->info;

  g_atomic_ref_count_init (&self->ref_count);
  self->record = record;
  self->kind = kind;
  self->run_type = info->run_type;
  self->start_time = info->segment.start_time;
  self->end_time = record->end_time != 0 ? MAX (record->end_time, self->start_time) : 0;
  self->cut = cut;
  return self;
}

/* Writes the text of @encoded, which is not shared yet. */
static void
encode (LsobsSettings *settings, LsobsCounters *counters, LsobsEncoded *encoded)
{
  g_auto (LsobsBuffer) text = LSOBS_BUFFER_INIT;
  LsobsRecord *record = encoded->record;
  LsobsTarget *own = _lsobs_settings_get_own_target (settings, record->info->target);
  /* clang-format off */
  Encoding e = {
    settings, counters, encoded, record, &text,
    _lsobs_settings_get_target (settings, own), _lsobs_settings_get_seed (settings, own),
    LSOBS_REDACT_BUDGET_INIT
  };
  /* clang-format on */

  write_mapped_id (&e, record->feedback != NULL ? &record->feedback->id : &record->info->segment.id,
                   encoded->id);

  if (record->feedback != NULL)
    write_feedback (&e);
  else
    write_run (&e);
  encoded->text = _lsobs_buffer_steal_bytes (&text);
  if (settings->redactor != NULL)
    _lsobs_counters_add (counters, LSOBS_COUNTER_REDACTION_FAILURES,
                         (gssize) _lsobs_redactor_take_failures (settings->redactor));
}

/* Takes @record over: all that is noted on it is written out and passes the function
 * of the program, once. */
LsobsEncoded *
_lsobs_encoder_encode (LsobsSettings *settings, LsobsCounters *counters, LsobsRecord *record)
{
  LsobsEncoded *self;

  _lsobs_record_settle (record);
  _lsobs_record_run_hook (record, settings, counters);
  self = encoded_new (record, record->kind, LSOBS_CUT_NOTHING);
  self->attachments = g_steal_pointer (&record->attachments);
  encode (settings, counters, self);
  return self;
}

/* The same record as another operation. What is wrong with its payloads was counted when
 * it was encoded first.
 * Returns: (transfer full) */
LsobsEncoded *
_lsobs_encoder_convert (LsobsSettings *settings, LsobsEncoded *encoded, LsobsRecordKind kind)
{
  g_autoptr (LsobsCounters) ignored = _lsobs_counters_new ();
  LsobsEncoded *self = encoded_new (_lsobs_record_ref (encoded->record), kind, encoded->cut);

  if (encoded->attachments != NULL)
    self->attachments = g_ptr_array_ref (encoded->attachments);
  encode (settings, ignored, self);
  return self;
}

/* The same text with other attachments.
 * @attachments: (transfer full) (nullable) */
static LsobsEncoded *
replace_attachments (LsobsEncoded *encoded, GPtrArray *attachments, LsobsCut cut)
{
  LsobsEncoded *self = encoded_new (_lsobs_record_ref (encoded->record), encoded->kind, cut);

  memcpy (self->id, encoded->id, sizeof self->id);
  memcpy (self->fields, encoded->fields, sizeof self->fields);
  self->text = g_bytes_ref (encoded->text);
  self->attachments = attachments;
  return self;
}

/* Makes a record smaller that is too large alone: first without its attachments,
 * then with notes of their size in place of inputs, outputs and metadata, and with
 * little of the rest.
 * Returns: (transfer full) (nullable): %NULL when all of that is done already */
LsobsEncoded *
_lsobs_encoder_cut (LsobsSettings *settings, LsobsCounters *counters, LsobsEncoded *encoded)
{
  LsobsEncoded *self;

  if (encoded->cut >= LSOBS_CUT_PAYLOADS)
    return NULL;
  if (encoded->attachments != NULL)
    {
      _lsobs_counters_add (counters, LSOBS_COUNTER_DROPPED_ATTACHMENTS, encoded->attachments->len);
      return replace_attachments (encoded, NULL, LSOBS_CUT_ATTACHMENTS);
    }
  self = encoded_new (_lsobs_record_ref (encoded->record), encoded->kind, LSOBS_CUT_PAYLOADS);
  encode (settings, counters, self);
  return self;
}

/* The same in smaller steps: of the attachments, the largest one goes first.
 * Returns: (transfer full) (nullable): as above */
LsobsEncoded *
_lsobs_encoder_shrink (LsobsSettings *settings, LsobsCounters *counters, LsobsEncoded *encoded)
{
  GPtrArray *attachments = NULL;

  if (encoded->attachments == NULL)
    return _lsobs_encoder_cut (settings, counters, encoded);
  _lsobs_attachments_unite (&attachments, encoded->attachments);
  _lsobs_attachments_drop (&attachments);
  _lsobs_counters_add (counters, LSOBS_COUNTER_DROPPED_ATTACHMENTS, 1);
  return replace_attachments (encoded, attachments, encoded->cut);
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
  g_bytes_unref (self->text);
  g_clear_pointer (&self->attachments, g_ptr_array_unref);
  g_free (self);
}
