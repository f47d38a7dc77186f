/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <math.h>
#include <string.h>

#include <glib/gi18n-lib.h>
#include <json-glib/json-glib.h>

#include "lsobs/core/lsobs-bytes-private.h"
#include "lsobs/core/lsobs-clock-private.h"
#include "lsobs/lsobs-error.h"
#include "lsobs/model/lsobs-capture-private.h"
#include "lsobs/model/lsobs-feedback-private.h"

/**
 * SECTION:lsobs-feedback
 * @title: LsobsFeedback
 * @short_description: a score, comment or correction for a run
 *
 * Feedback is a score, a comment or a correction for a run, from a person or from a model that
 * evaluates runs. Its key says what it is about. It needs only the id of the run and the id of the
 * trace. So a program can add it long after the run has ended, even to a run of another program.
 *
 * |[<!-- language="C" -->
 * g_autoptr(LsobsFeedback) feedback = lsobs_feedback_new (run_id, trace_id, "helpful");
 *
 * lsobs_feedback_set_score (feedback, 0.8);
 * lsobs_feedback_set_comment (feedback, "Friendly, but late");
 * lsobs_observer_add_feedback (observer, feedback, &error);
 * ]|
 *
 * If the program has the #LsobsRun, it can call lsobs_run_add_feedback() for a score, or
 * lsobs_run_new_feedback() for more. For thumbs up and thumbs down, use the scores 1 and 0:
 *
 * |[<!-- language="C" -->
 * lsobs_run_add_feedback (run, "user_score", 1, NULL, &error);
 * lsobs_run_add_feedback (run, "user_score", 0, "I meant 6 * 8", &error);
 * ]|
 *
 * In Python and in GJS: `run.add_feedback ('user_score', 1)`.
 *
 * Feedback is a record in the same queue as runs, with the same limits, counters and retries. It is
 * sent after the start of its run, if that is not delivered yet. It goes to the project or the
 * agent of the run, such as that of #LsobsConfig:agent-id. Its text is redacted and cut by the same
 * rules. #LsobsConfig:hide-outputs hides a correction, and #LsobsConfig:hide-metadata hides the
 * metadata of the source. Feedback to a trace that the sampler has left out is not sent.
 *
 * Only one thread at a time may change feedback. When the program adds feedback, lsobs copies it:
 * the program can change or free its own afterwards.
 */

/* Of one payload. Far more than the service takes; it ends the writing of JSON trees that
 * contain themselves. */
#define MAX_BYTES (64 * 1024 * 1024)

/* Characters of a key, by the service's schema. */
#define MAX_KEY_LEN 180

G_DEFINE_ENUM_TYPE (LsobsFeedbackSource,
                    lsobs_feedback_source,
                    G_DEFINE_ENUM_VALUE (LSOBS_FEEDBACK_SOURCE_API, "api"),
                    G_DEFINE_ENUM_VALUE (LSOBS_FEEDBACK_SOURCE_MODEL, "model"))

G_DEFINE_BOXED_TYPE (LsobsFeedback, lsobs_feedback, lsobs_feedback_ref, lsobs_feedback_unref)

/* Reads the clock once: the creation time and the time in the id are the same. */
static LsobsFeedback *
alloc_feedback (const char *key)
{
  LsobsFeedback *self = g_new0 (LsobsFeedback, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->created_at = _lsobs_clock_stamp ();
  _lsobs_id_make (&self->id, self->created_at);
  _lsobs_id_write (&self->id, self->id_text);
  self->key = g_strdup (key);
  return self;
}

/* @exporter: the one that the run's records go to */
LsobsFeedback *
_lsobs_feedback_new_for_run (LsobsRunInfo *run, GObject *exporter, const char *key)
{
  LsobsFeedback *self = alloc_feedback (key);

  self->run_id = g_malloc0 (LSOBS_UUID_LEN + 1);
  _lsobs_id_write (&_lsobs_run_info_peek_segment (run)->id, self->run_id);
  self->trace_id = g_malloc0 (LSOBS_UUID_LEN + 1);
  _lsobs_id_write (_lsobs_run_info_get_trace_id (run), self->trace_id);
  self->start_time = _lsobs_run_info_peek_segment (run)->start_time;
  self->run = _lsobs_run_info_ref (run);
  self->exporter = g_object_ref (exporter);
  return self;
}

/* A copy for a record. It shares the payloads and has neither run nor exporter. */
LsobsFeedback *
_lsobs_feedback_copy (LsobsFeedback *self)
{
  LsobsFeedback *copy = g_memdup2 (self, sizeof *self);

  g_atomic_ref_count_init (&copy->ref_count);
  copy->run_id = g_strdup (self->run_id);
  copy->trace_id = g_strdup (self->trace_id);
  copy->key = g_strdup (self->key);
  copy->value = _lsobs_bytes_ref (self->value);
  copy->comment = g_strdup (self->comment);
  copy->correction = _lsobs_bytes_ref (self->correction);
  copy->metadata = _lsobs_bytes_ref (self->metadata);
  copy->project_id = g_strdup (self->project_id);
  copy->experiment_id = g_strdup (self->experiment_id);
  copy->group_id = g_strdup (self->group_id);
  copy->config = _lsobs_bytes_ref (self->config);
  copy->extra = _lsobs_bytes_ref (self->extra);
  copy->run = NULL;
  copy->exporter = NULL;
  return copy;
}

static gsize
string_size (const char *text)
{
  return text != NULL ? strlen (text) : 0;
}

/* Returns: bytes of memory */
gsize
_lsobs_feedback_measure (LsobsFeedback *self)
{
  return sizeof *self + 5 * LSOBS_UUID_LEN + string_size (self->key) + string_size (self->comment) +
         _lsobs_bytes_get_size (self->value) + _lsobs_bytes_get_size (self->correction) +
         _lsobs_bytes_get_size (self->metadata) + _lsobs_bytes_get_size (self->config) +
         _lsobs_bytes_get_size (self->extra);
}

/* Writes the node out at once, as the program may change its tree. */
static void
set_json (GBytes **member, JsonNode *node)
{
  g_clear_pointer (member, g_bytes_unref);
  *member = _lsobs_capture_node (node, MAX_BYTES, NULL);
}

static void
set_string (char **member, const char *text)
{
  g_free (*member);
  *member = g_strdup (text);
}

static gboolean
refuse (GError **error, const char *message)
{
  g_set_error_literal (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_FEEDBACK, message);
  return FALSE;
}

static gboolean
check_id (const char *id, LsobsId *parsed, GError **error)
{
  return (strlen (id) == LSOBS_UUID_LEN && _lsobs_id_parse (parsed, id)) ||
         refuse (error, _ ("Each id in feedback must be a UUID"));
}

/* Checks the key in the form that is sent, with invalid UTF-8 repaired. */
static gboolean
check_key (const char *key, GError **error)
{
  g_autofree char *sent = g_utf8_make_valid (key, -1);

  if (*sent == '\0')
    return refuse (error, _ ("The key of feedback must not be empty"));
  if (g_utf8_strlen (sent, -1) > MAX_KEY_LEN)
    return refuse (error, _ ("The key of feedback must not be longer than 180 characters"));
  return TRUE;
}

/* Returns: the first character, which gives the type: the text has no leading white space */
static char
get_first (GBytes *json)
{
  gsize len;
  const char *text = g_bytes_get_data (json, &len);

  return len > 0 ? *text : '\0';
}

/* Whether the schema allows @json as a value: anything but an array.
 * @json: (nullable) */
gboolean
_lsobs_feedback_is_value (GBytes *json)
{
  return json == NULL || get_first (json) != '[';
}

/* Whether the schema allows @json as a correction: an object, a string or null.
 * @json: (nullable) */
gboolean
_lsobs_feedback_is_correction (GBytes *json)
{
  return json == NULL || strchr ("{\"n", get_first (json)) != NULL;
}

static gboolean
is_number (JsonNode *node)
{
  GType type = json_node_get_value_type (node);

  return type == G_TYPE_INT64 || type == G_TYPE_DOUBLE;
}

/* @node: (nullable) */
static gboolean
is_limit (JsonNode *node)
{
  return node == NULL || JSON_NODE_HOLDS_NULL (node) || is_number (node);
}

static gboolean
is_category (JsonNode *node)
{
  JsonObject *object;
  JsonNode *value;
  JsonNode *label;

  if (!JSON_NODE_HOLDS_OBJECT (node))
    return FALSE;
  object = json_node_get_object (node);
  value = json_object_get_member (object, "value");
  label = json_object_get_member (object, "label");
  return value != NULL && is_number (value) &&
         (label == NULL || JSON_NODE_HOLDS_NULL (label) ||
          (json_node_get_value_type (label) == G_TYPE_STRING &&
           *json_node_get_string (label) != '\0'));
}

/* @node: (nullable) */
static gboolean
are_categories (JsonNode *node)
{
  JsonArray *array;

  if (node == NULL || JSON_NODE_HOLDS_NULL (node))
    return TRUE;
  if (!JSON_NODE_HOLDS_ARRAY (node))
    return FALSE;
  array = json_node_get_array (node);
  for (guint i = 0; i < json_array_get_length (array); i++)
    if (!is_category (json_array_get_element (array, i)))
      return FALSE;
  return TRUE;
}

/* @node: (nullable) */
static gboolean
is_config_type (JsonNode *node)
{
  static const char *const types[] = { "continuous", "categorical", "freeform", NULL };

  return node != NULL && json_node_get_value_type (node) == G_TYPE_STRING &&
         g_strv_contains (types, json_node_get_string (node));
}

/* @json: (nullable) */
static gboolean
check_config (GBytes *json, GError **error)
{
  g_autoptr (JsonParser) parser = NULL;
  JsonObject *object = NULL;
  gsize len;
  const char *text;

  if (json == NULL || get_first (json) == 'n')
    return TRUE;
  text = g_bytes_get_data (json, &len);
  parser = json_parser_new ();
  if (get_first (json) == '{' && json_parser_load_from_data (parser, text, (gssize) len, NULL))
    object = json_node_get_object (json_parser_get_root (parser));
  if (object == NULL || !is_config_type (json_object_get_member (object, "type")))
    return refuse (error, _ ("The config of feedback must be an object whose type is continuous, "
                             "categorical or freeform"));
  if (!is_limit (json_object_get_member (object, "min")) ||
      !is_limit (json_object_get_member (object, "max")))
    return refuse (error, _ ("The min and the max in the config of feedback must be numbers"));
  if (!are_categories (json_object_get_member (object, "categories")))
    return refuse (error, _ ("Each category in the config of feedback must be an object with a "
                             "number as value, and a label, if any, that is not empty"));
  return TRUE;
}

/* Whether the schema allows @json as a config.
 * @json: (nullable) */
gboolean
_lsobs_feedback_is_config (GBytes *json)
{
  return check_config (json, NULL);
}

static gboolean
check_payloads (LsobsFeedback *self, GError **error)
{
  if (!isfinite (self->score))
    return refuse (error, _ ("A score must be a finite number"));
  if (!_lsobs_feedback_is_value (self->value))
    return refuse (error, _ ("The value of feedback must be a number, true or false, a string or "
                             "an object, not an array"));
  if (!_lsobs_feedback_is_correction (self->correction))
    return refuse (error, _ ("The correction of feedback must be an object or a string"));
  return check_config (self->config, error);
}

/* Checks the feedback by the service's schema: the service refuses a whole request for one
 * violation. Fails with %LSOBS_ERROR_INVALID_FEEDBACK.
 * @run_id, @trace_id: (out): the parsed ids */
gboolean
_lsobs_feedback_check (LsobsFeedback *self, LsobsId *run_id, LsobsId *trace_id, GError **error)
{
  const char *const others[] = { self->project_id, self->experiment_id, self->group_id };
  LsobsId other;

  if (!check_id (self->run_id, run_id, error) || !check_id (self->trace_id, trace_id, error))
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (others); i++)
    if (others[i] != NULL && !check_id (others[i], &other, error))
      return FALSE;
  return check_key (self->key, error) && check_payloads (self, error);
}

/**
 * lsobs_feedback_new:
 * @run_id: the id of the run, a UUID
 * @trace_id: the id of the trace of the run, which is the id of the root run
 * @key: what the feedback is about, such as `helpful`; at most 180 characters
 *
 * Creates feedback that has only a key.
 *
 * Returns: (transfer full): new feedback
 *
 * Since: 0.1
 */
LsobsFeedback *
lsobs_feedback_new (const char *run_id, const char *trace_id, const char *key)
{
  LsobsFeedback *self;

  g_return_val_if_fail (run_id != NULL, NULL);
  g_return_val_if_fail (trace_id != NULL, NULL);
  g_return_val_if_fail (key != NULL, NULL);

  self = alloc_feedback (key);
  self->run_id = g_strdup (run_id);
  self->trace_id = g_strdup (trace_id);
  return self;
}

/**
 * lsobs_feedback_ref:
 * @self: feedback
 *
 * Adds a reference. Can be called from any thread.
 *
 * Returns: (transfer full): @self
 *
 * Since: 0.1
 */
LsobsFeedback *
lsobs_feedback_ref (LsobsFeedback *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

/**
 * lsobs_feedback_unref:
 * @self: (transfer full): feedback
 *
 * Drops a reference. The last call frees @self. Can be called from any thread.
 *
 * Since: 0.1
 */
void
lsobs_feedback_unref (LsobsFeedback *self)
{
  g_return_if_fail (self != NULL);

  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  g_free (self->run_id);
  g_free (self->trace_id);
  g_free (self->key);
  g_clear_pointer (&self->value, g_bytes_unref);
  g_free (self->comment);
  g_clear_pointer (&self->correction, g_bytes_unref);
  g_clear_pointer (&self->metadata, g_bytes_unref);
  g_free (self->project_id);
  g_free (self->experiment_id);
  g_free (self->group_id);
  g_clear_pointer (&self->config, g_bytes_unref);
  g_clear_pointer (&self->extra, g_bytes_unref);
  _lsobs_run_info_unref (self->run);
  g_clear_object (&self->exporter);
  g_free (self);
}

/**
 * lsobs_feedback_get_id:
 * @self: feedback
 *
 * Gets the id of the feedback itself, a UUID of version 7. The time in it is the time when the
 * feedback was created.
 *
 * Returns: (transfer none): the id, a UUID of 36 characters
 *
 * Since: 0.1
 */
const char *
lsobs_feedback_get_id (LsobsFeedback *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->id_text;
}

/**
 * lsobs_feedback_get_run_id:
 * @self: feedback
 *
 * Gets the id of the run that the feedback belongs to.
 *
 * Returns: (transfer none): the id, a UUID
 *
 * Since: 0.1
 */
const char *
lsobs_feedback_get_run_id (LsobsFeedback *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->run_id;
}

/**
 * lsobs_feedback_get_trace_id:
 * @self: feedback
 *
 * Gets the id of the trace of the run.
 *
 * Returns: (transfer none): the id, a UUID
 *
 * Since: 0.1
 */
const char *
lsobs_feedback_get_trace_id (LsobsFeedback *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->trace_id;
}

/**
 * lsobs_feedback_get_key:
 * @self: feedback
 *
 * Gets the key, which says what the feedback is about.
 *
 * Returns: (transfer none): the key, such as `helpful`
 *
 * Since: 0.1
 */
const char *
lsobs_feedback_get_key (LsobsFeedback *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->key;
}

/**
 * lsobs_feedback_set_score:
 * @self: feedback
 * @score: a finite number, which is sent with four decimals
 *
 * Sets a score that is a number. It replaces an earlier score.
 *
 * Since: 0.1
 */
void
lsobs_feedback_set_score (LsobsFeedback *self, double score)
{
  g_return_if_fail (self != NULL);

  self->score_kind = LSOBS_SCORE_NUMBER;
  self->score = score;
}

/**
 * lsobs_feedback_set_score_boolean:
 * @self: feedback
 * @score: the score
 *
 * Sets a score that is true or false. It replaces an earlier score.
 *
 * Since: 0.1
 */
void
lsobs_feedback_set_score_boolean (LsobsFeedback *self, gboolean score)
{
  g_return_if_fail (self != NULL);

  self->score_kind = LSOBS_SCORE_BOOLEAN;
  self->score = score ? 1 : 0;
}

/**
 * lsobs_feedback_set_value:
 * @self: feedback
 * @value: (nullable): a number, true or false, a string such as the name of a category, an object,
 *   or %NULL for none
 *
 * Sets a value, which the service shows beside the score or in place of it. The service accepts no
 * array: such feedback is refused with %LSOBS_ERROR_INVALID_FEEDBACK when it is added.
 *
 * Since: 0.1
 */
void
lsobs_feedback_set_value (LsobsFeedback *self, JsonNode *value)
{
  g_return_if_fail (self != NULL);

  set_json (&self->value, value);
}

/**
 * lsobs_feedback_set_comment:
 * @self: feedback
 * @comment: (nullable): a text, or %NULL for none
 *
 * Sets a comment.
 *
 * Since: 0.1
 */
void
lsobs_feedback_set_comment (LsobsFeedback *self, const char *comment)
{
  g_return_if_fail (self != NULL);

  set_string (&self->comment, comment);
}

/**
 * lsobs_feedback_set_correction:
 * @self: feedback
 * @correction: (nullable): the right outputs, an object or a string, or %NULL for none
 *
 * Sets what the outputs of the run should have been. The service accepts no array, number or
 * boolean: such feedback is refused with %LSOBS_ERROR_INVALID_FEEDBACK when it is added.
 *
 * Since: 0.1
 */
void
lsobs_feedback_set_correction (LsobsFeedback *self, JsonNode *correction)
{
  g_return_if_fail (self != NULL);

  set_json (&self->correction, correction);
}

/**
 * lsobs_feedback_set_source:
 * @self: feedback
 * @source: the source
 * @metadata: (nullable): more about the source, or %NULL; a value that is not an object becomes
 *   `{"value": …}`
 *
 * Sets the source of the feedback. The default is %LSOBS_FEEDBACK_SOURCE_API.
 *
 * Since: 0.1
 */
void
lsobs_feedback_set_source (LsobsFeedback *self, LsobsFeedbackSource source, JsonNode *metadata)
{
  g_return_if_fail (self != NULL);
  g_return_if_fail ((guint) source <= LSOBS_FEEDBACK_SOURCE_MODEL);

  self->source = source;
  set_json (&self->metadata, metadata);
}

/**
 * lsobs_feedback_set_project_id:
 * @self: feedback
 * @project_id: (nullable): the id of the project, a UUID, or %NULL
 *
 * Sets the id of the project of the run. Some services require it. If it is not set, lsobs asks
 * such a service for it; see #LsobsClient. Set it for a run of another program whose project is not
 * #LsobsConfig:project-name. It takes precedence over the address of an agent. It is not sent to
 * replicas, where the project has another id.
 *
 * Since: 0.1
 */
void
lsobs_feedback_set_project_id (LsobsFeedback *self, const char *project_id)
{
  g_return_if_fail (self != NULL);

  set_string (&self->project_id, project_id);
}

/**
 * lsobs_feedback_set_start_time:
 * @self: feedback
 * @start_time: a time, in µs since 1970, UTC
 *
 * Sets the start time of the run. Some services need it to find the run. lsobs_run_new_feedback()
 * sets it.
 *
 * Since: 0.1
 */
void
lsobs_feedback_set_start_time (LsobsFeedback *self, gint64 start_time)
{
  g_return_if_fail (self != NULL);
  g_return_if_fail (start_time > 0);

  self->start_time = start_time;
}

/**
 * lsobs_feedback_set_experiment_id:
 * @self: feedback
 * @experiment_id: (nullable): the id of the experiment, a UUID, or %NULL
 *
 * Sets the comparative experiment that the feedback belongs to.
 *
 * Since: 0.1
 */
void
lsobs_feedback_set_experiment_id (LsobsFeedback *self, const char *experiment_id)
{
  g_return_if_fail (self != NULL);

  set_string (&self->experiment_id, experiment_id);
}

/**
 * lsobs_feedback_set_group_id:
 * @self: feedback
 * @group_id: (nullable): the id of the group, a UUID, or %NULL
 *
 * Sets the group of the feedback: feedback to several runs that were compared has the same group.
 *
 * Since: 0.1
 */
void
lsobs_feedback_set_group_id (LsobsFeedback *self, const char *group_id)
{
  g_return_if_fail (self != NULL);

  set_string (&self->group_id, group_id);
}

/**
 * lsobs_feedback_set_config:
 * @self: feedback
 * @config: (nullable): an object, as the service defines it, or %NULL for none
 *
 * Sets which values the key can have, and how the service shows them. The object has a member
 * `type`, which is `continuous`, `categorical` or `freeform`. It can have the numbers `min` and
 * `max`, and an array `categories` of objects with a number `value` and a string `label`. Feedback
 * with another config is refused with %LSOBS_ERROR_INVALID_FEEDBACK when it is added.
 *
 * Since: 0.1
 */
void
lsobs_feedback_set_config (LsobsFeedback *self, JsonNode *config)
{
  g_return_if_fail (self != NULL);

  set_json (&self->config, config);
}

/**
 * lsobs_feedback_set_extra:
 * @self: feedback
 * @extra: (nullable): an object, or %NULL for none
 *
 * Sets more data of the program.
 *
 * Since: 0.1
 */
void
lsobs_feedback_set_extra (LsobsFeedback *self, JsonNode *extra)
{
  g_return_if_fail (self != NULL);

  set_json (&self->extra, extra);
}

/**
 * lsobs_feedback_set_is_error:
 * @self: feedback
 * @is_error: %TRUE if the evaluation has failed
 *
 * Sets whether the evaluation that should give this feedback has failed.
 *
 * Since: 0.1
 */
void
lsobs_feedback_set_is_error (LsobsFeedback *self, gboolean is_error)
{
  g_return_if_fail (self != NULL);

  self->is_error = is_error;
}

/**
 * lsobs_feedback_set_extend_retention:
 * @self: feedback
 * @extend_retention: %TRUE if the service keeps the trace longer because of the feedback
 *
 * Sets whether the service keeps the trace longer because of the feedback. The default is %TRUE.
 *
 * Since: 0.1
 */
void
lsobs_feedback_set_extend_retention (LsobsFeedback *self, gboolean extend_retention)
{
  g_return_if_fail (self != NULL);

  self->keep_retention = !extend_retention;
}
