/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <libsoup/soup.h>

#include "lsobs/call/lsobs-call-answer-private.h"
#include "lsobs/call/lsobs-call-json-private.h"
#include "lsobs/call/lsobs-call-mask-private.h"

/* How many of the first bytes are kept of an answer whose format is known, for the case that it is
 * something else, such as a page of a proxy. */
#define HEAD_BYTES (64 * 1024)

/* With less room than this for the outputs, each event is parsed: what does not fit is the same then,
 * however the answer is cut into pieces. */
#define SKIP_ROOM (128 * 1024)

/* A buffer that has grown larger than this is freed after the event. */
#define KEEP_BYTES (256 * 1024)

/* What is sent if the service does not say what is wrong. */
#define UNKNOWN_ERROR "Unknown error"

/* The longest error that is no JSON. */
#define MAX_ERROR_BYTES 1024

/* --- what formats find --- */

/* Keeps the event that is being taken as the outputs. Called once for an event. */
void
_lsobs_call_answer_keep_event (LsobsCallAnswer *self)
{
  g_clear_pointer (&self->whole, g_bytes_unref);
  self->whole = _lsobs_buffer_steal_bytes (&self->scratch);
  self->is_complete = TRUE;
}

/* Keeps JSON text as the outputs.
 * @text: is left empty */
void
_lsobs_call_answer_keep_text (LsobsCallAnswer *self, LsobsBuffer *text)
{
  g_clear_pointer (&self->whole, g_bytes_unref);
  self->whole = _lsobs_buffer_steal_bytes (text);
}

static JsonObject *
get_usage (LsobsCallAnswer *self)
{
  if (self->usage == NULL)
    self->usage = json_object_new ();
  return self->usage;
}

/* Keeps what an answer or event says about the tokens. What comes later replaces it. */
void
_lsobs_call_answer_take_usage (LsobsCallAnswer *self, JsonObject *response)
{
  static const char *const names[] = { "usage",        "usageMetadata",     "x_groq",
                                       "service_tier", "prompt_eval_count", "eval_count" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      JsonNode *node = _lsobs_call_peek_member (response, names[i]);

      if (node != NULL)
        json_object_set_member (get_usage (self), names[i], json_node_copy (node));
    }
}

/* Keeps what an event says about the tokens, in addition to what others have said. */
void
_lsobs_call_answer_merge_usage (LsobsCallAnswer *self, JsonObject *usage)
{
  JsonObject *merged = _lsobs_call_peek_object (get_usage (self), "usage");
  JsonObjectIter iter;
  const char *name;
  JsonNode *node;

  if (merged == NULL)
    {
      merged = json_object_new ();
      json_object_set_object_member (self->usage, "usage", merged);
    }
  json_object_iter_init_ordered (&iter, usage);
  while (json_object_iter_next_ordered (&iter, &name, &node))
    if (!JSON_NODE_HOLDS_NULL (node))
      json_object_set_member (merged, name, json_node_copy (node));
}

/* @model: (nullable) */
void
_lsobs_call_answer_take_model (LsobsCallAnswer *self, const char *model)
{
  if (self->model == NULL)
    self->model = g_strdup (model);
}

void
_lsobs_call_answer_add_detail (LsobsCallAnswer *self, const char *name, JsonNode *node)
{
  if (self->details == NULL)
    self->details = json_object_new ();
  json_object_set_member (self->details, name, json_node_copy (node));
}

/* Reads the member "error" of an object.
 * Returns: FALSE if it has no such member */
gboolean
_lsobs_call_answer_take_error (LsobsCallAnswer *self, JsonObject *object)
{
  static const char *const messages[] = { "message", "detail", "msg", "type", "code" };
  static const char *const types[] = { "type", "status", "code" };
  JsonNode *node = _lsobs_call_peek_member (object, "error");
  JsonObject *error = _lsobs_json_peek_object (node);
  const char *message = _lsobs_call_peek_text (node);
  const char *type = NULL;

  if (node == NULL || (error == NULL && message == NULL) || self->error != NULL)
    return self->error != NULL;
  for (guint i = 0; i < G_N_ELEMENTS (messages) && message == NULL; i++)
    message = _lsobs_call_peek_string (error, messages[i]);
  for (guint i = 0; i < G_N_ELEMENTS (types) && type == NULL; i++)
    type = _lsobs_call_peek_string (error, types[i]);
  self->error = g_strdup (message != NULL ? message : UNKNOWN_ERROR);
  self->error_type = g_strdup (type);
  return TRUE;
}

/* Returns: (transfer none) (nullable): the text that some services answer with instead of "error" */
static const char *
peek_message (JsonObject *object)
{
  const char *message = _lsobs_call_peek_string (object, "message");
  JsonObject *first = _lsobs_call_peek_element (_lsobs_call_peek_array (object, "detail"), 0);

  if (message == NULL)
    message = _lsobs_call_peek_string (object, "detail");
  return message != NULL ? message : _lsobs_call_peek_string (first, "msg");
}

/* Whether an object is an error itself, and has no member with one. */
static gboolean
is_error (JsonObject *object)
{
  return g_strcmp0 (_lsobs_call_peek_string (object, "type"), "error") == 0 ||
         g_strcmp0 (_lsobs_call_peek_string (object, "object"), "error") == 0;
}

/* Keeps the error message in an object.
 * @is_named: whether it comes in an event with the name "error"
 * Returns: FALSE if it is no error */
static gboolean
take_error (LsobsCallAnswer *self, JsonObject *object, gboolean is_named)
{
  gboolean has_error = _lsobs_call_answer_take_error (self, object);
  const char *message = peek_message (object);
  const char *type = _lsobs_call_peek_string (object, "type");

  if (self->message == NULL)
    self->message = g_strdup (message);
  if (has_error || (!is_named && (!is_error (object) || message == NULL)))
    return has_error;
  if (type == NULL || strcmp (type, "error") == 0)
    type = _lsobs_call_peek_string (object, "code");
  self->error = g_strdup (message != NULL ? message : UNKNOWN_ERROR);
  self->error_type = g_strdup (type);
  return TRUE;
}

/* Keeps the event that is being taken, which the format does not know, as the outputs. It may repeat
 * the request. */
static void
keep_masked_event (LsobsCallAnswer *self)
{
  g_auto (LsobsBuffer) masked = LSOBS_BUFFER_INIT;

  _lsobs_call_mask_json (&masked, self->scratch.data, self->scratch.len);
  _lsobs_call_answer_keep_text (self, &masked);
  self->is_complete = TRUE;
}

/* --- events --- */

/* @is_named_error: whether it comes in an event with the name "error" */
static void
take_object (LsobsCallAnswer *self, JsonObject *object, gboolean is_named_error)
{
  gboolean has_error = take_error (self, object, is_named_error);
  gboolean is_known;

  if (self->framing.kind == LSOBS_FRAMING_EVENTS)
    self->is_stream = TRUE;
  is_known = self->format->take (self, object);
  self->is_known = self->is_known || is_known;
  if (is_known || has_error || self->is_stream)
    return;
  keep_masked_event (self);
}

/* Takes an error that is no JSON. */
static void
take_text_error (LsobsCallAnswer *self, const char *text, gsize len)
{
  if (self->error == NULL)
    self->error = g_utf8_make_valid (text, (gssize) MIN (len, MAX_ERROR_BYTES));
}

/* Parses and takes an event.
 * @text: JSON
 * @is_named_error: whether the event has the name "error" */
static void
take_event (LsobsCallAnswer *self, const char *text, gsize len, gboolean is_named_error)
{
  gboolean too_large;
  g_autoptr (JsonNode) node = _lsobs_call_parse (&self->scratch, text, len, &too_large);

  if (too_large)
    self->framing.n_cut += len;
  if (node != NULL)
    take_object (self, json_node_get_object (node), is_named_error);
  else if (is_named_error)
    take_text_error (self, text, len);
  if (self->scratch.allocated > KEEP_BYTES)
    _lsobs_buffer_clear (&self->scratch);
}

/* Takes the last event that was skipped: what it has beside its text counts. */
static void
take_last (LsobsCallAnswer *self)
{
  LsobsBuffer last = self->last;

  self->last = (LsobsBuffer) LSOBS_BUFFER_INIT;
  if (last.len > 0)
    take_event (self, last.data + self->shape.json_start,
                last.len - self->shape.json_start - self->shape.json_end, FALSE);
  _lsobs_buffer_truncate (&last, 0);
  self->last = last;
}

/* Learns the shape of an event that has done nothing but let one text grow.
 * @n_changes: how many changes there were before it */
static void
learn_shape (LsobsCallAnswer *self, guint n_changes, const char *text, gsize len)
{
  const LsobsCallFraming *framing = &self->framing;
  const LsobsJoinLimit *limit = &self->limit;
  const char *json = framing->raw != NULL ? memchr (framing->raw, '{', framing->raw_len) : NULL;

  self->shape.is_usable = FALSE;
  if (limit->n_changes != n_changes + 1 || limit->changed == NULL || limit->n_added == 0 ||
      json == NULL || framing->raw_len - (gsize) (json - framing->raw) < len ||
      memcmp (json, text, len) != 0 || self->error != NULL || self->message != NULL ||
      self->has_ended)
    return;
  _lsobs_event_shape_learn (&self->shape, framing->raw, framing->raw_len, len,
                            _lsobs_join_peek_end (limit->changed, limit->n_added), limit->n_added);
}

/* Whether an event is the mark that ends a stream, with or without white space. */
static gboolean
is_end_mark (const char *text, gsize len)
{
  static const char done[] = "[DONE]";

  for (; len > 0 && g_ascii_isspace (*text); len--)
    text++;
  while (len > 0 && g_ascii_isspace (text[len - 1]))
    len--;
  return len == sizeof done - 1 && memcmp (text, done, len) == 0;
}

static void
event_cb (gpointer user_data, const char *text, gsize len)
{
  LsobsCallAnswer *self = user_data;
  guint n_changes;

  if (self->format == NULL || self->has_ended)
    return;
  take_last (self);
  if (is_end_mark (text, len))
    {
      self->is_complete = TRUE;
      self->has_ended = TRUE;
      self->shape.is_usable = FALSE;
      return;
    }
  n_changes = self->limit.n_changes;
  take_event (self, text, len, self->framing.is_error);
  learn_shape (self, n_changes, text, len);
}

/* Adds the text of an event that was skipped. */
static void
add_shape_text (LsobsCallAnswer *self, const LsobsShapeText *text)
{
  gsize len = text->len;
  const char *decoded = _lsobs_json_string_decode (text->raw, &len, text->kind, &self->decoded);

  _lsobs_join_grow_text (self->limit.changed, decoded, len);
}

/* Skips an event that differs from the one before in nothing but a piece of text, and in what the
 * next one replaces. */
static gsize
skip_cb (gpointer user_data, const char *bytes, gsize len)
{
  LsobsCallAnswer *self = user_data;
  LsobsShapeText text;
  gsize n = _lsobs_event_shape_match (&self->shape, bytes, len, &text);

  if (n == 0 || self->limit.n_cut > 0 || self->limit.n_left < SKIP_ROOM + self->last.len + n)
    return 0;
  if (!self->shape.varies)
    {
      add_shape_text (self, &text);
      return n;
    }
  if (self->last.len > 0)
    add_shape_text (self, &self->last_text);
  _lsobs_buffer_truncate (&self->last, 0);
  _lsobs_buffer_append (&self->last, bytes, n);
  text.raw = self->last.data + (text.raw - bytes);
  self->last_text = text;
  return n;
}

/* --- the answer --- */

/* @format: (nullable): %NULL keeps the answer as it is
 * @n_choices: how many choices the request asks for */
LsobsCallAnswer *
_lsobs_call_answer_new (const LsobsCallFormat *format, guint n_choices)
{
  LsobsCallAnswer *self = g_new0 (LsobsCallAnswer, 1);

  self->format = format;
  self->n_choices = n_choices;
  self->limit.n_left = LSOBS_CALL_MAX_BYTES;
  self->join = _lsobs_join_new (&self->limit);
  _lsobs_call_framing_init (&self->framing, LSOBS_CALL_MAX_BYTES, event_cb, skip_cb, self);
  return self;
}

void
_lsobs_call_answer_free (LsobsCallAnswer *self)
{
  _lsobs_vector_filter_clear (&self->vectors);
  _lsobs_buffer_clear (&self->filtered);
  _lsobs_call_framing_clear (&self->framing);
  _lsobs_buffer_clear (&self->scratch);
  _lsobs_buffer_clear (&self->raw);
  _lsobs_event_shape_clear (&self->shape);
  _lsobs_buffer_clear (&self->last);
  _lsobs_buffer_clear (&self->decoded);
  _lsobs_join_free (self->join);
  g_clear_pointer (&self->whole, g_bytes_unref);
  g_clear_pointer (&self->usage, json_object_unref);
  g_clear_pointer (&self->details, json_object_unref);
  g_free (self->model);
  g_free (self->error);
  g_free (self->error_type);
  g_free (self->message);
  g_free (self);
}

/* Takes bytes of the body, without vectors. */
static void
take_bytes (LsobsCallAnswer *self, const char *data, gsize len)
{
  gsize max = self->format == NULL || self->is_guess ? LSOBS_CALL_MAX_BYTES : HEAD_BYTES;

  if (!self->is_known)
    _lsobs_buffer_append (&self->raw, data, MIN (len, max - self->raw.len));
  /* Events are not looked for in an answer that is kept as it is. */
  if (self->format != NULL)
    _lsobs_call_framing_feed (&self->framing, data, len);
  else
    self->framing.n_bytes += len;
}

/* Takes the next piece of the body. */
void
_lsobs_call_answer_feed (LsobsCallAnswer *self, const char *data, gsize len)
{
  if (self->format == NULL || !self->format->has_vectors)
    {
      take_bytes (self, data, len);
      return;
    }
  _lsobs_buffer_truncate (&self->filtered, 0);
  _lsobs_vector_filter_feed (&self->vectors, &self->filtered, data, len);
  take_bytes (self, self->filtered.data, self->filtered.len);
  if (self->filtered.allocated > KEEP_BYTES)
    _lsobs_buffer_clear (&self->filtered);
}

/* Called when no more of the body comes.
 * @is_whole: whether all of it has come. If not, only a format tells whether the answer is complete
 *   even so. */
void
_lsobs_call_answer_end (LsobsCallAnswer *self, gboolean is_whole)
{
  gboolean has_whole_events = _lsobs_call_framing_end (&self->framing);

  take_last (self);
  if (!is_whole)
    return;
  if (self->format == NULL || (self->is_guess && !self->is_known && has_whole_events))
    self->is_complete = TRUE;
  else if (has_whole_events && self->framing.n_cut > 0 && !self->is_stream &&
           self->framing.kind == LSOBS_FRAMING_JSON)
    self->is_complete = TRUE; /* The service has sent it, lsobs has left it out. */
}

/* What libsoup and others say of a status that they do not know. */
static gboolean
is_phrase (const char *phrase)
{
  return phrase != NULL && *phrase != '\0' && g_ascii_strcasecmp (phrase, UNKNOWN_ERROR) != 0;
}

/* Returns: (nullable): the words for a status that is an error */
static const char *
get_phrase (guint status, const char *phrase)
{
  if (is_phrase (phrase))
    return phrase;
  if (status == 429)
    return "Too Many Requests"; /* which libsoup does not know */
  phrase = soup_status_get_phrase (status);
  return is_phrase (phrase) ? phrase : NULL;
}

/* @status: the status of HTTP, or 0
 * @phrase: (nullable): the words of the service for the status
 * Returns: (transfer full) (nullable): what the service says went wrong */
char *
_lsobs_call_answer_dup_error (LsobsCallAnswer *self, guint status, const char *phrase)
{
  const char *message = self->error != NULL ? self->error : self->message;

  if (message == NULL)
    message = get_phrase (status, phrase);
  if (status >= 400)
    return message != NULL ? g_strdup_printf ("HTTP %u: %s", status, message)
                           : g_strdup_printf ("HTTP %u", status);
  return g_strdup (self->error);
}

/* Whether there is nothing to send but the bytes as they came. */
static gboolean
is_raw (LsobsCallAnswer *self)
{
  return self->whole == NULL && _lsobs_join_is_empty (self->join) && self->error == NULL &&
         !self->is_known;
}

/* Writes bytes as they came. Those of a known format may repeat the request. */
static void
write_raw (LsobsCallAnswer *self, LsobsBuffer *out, const LsobsBuffer *raw)
{
  if (self->format != NULL)
    _lsobs_call_write_masked (out, raw->data, raw->len);
  else
    _lsobs_call_write_raw (out, raw->data, raw->len);
}

/* Returns: (transfer full) (nullable): the outputs, or what has come of them, as JSON text */
GBytes *
_lsobs_call_answer_dup_outputs (LsobsCallAnswer *self)
{
  g_auto (LsobsBuffer) out = LSOBS_BUFFER_INIT;

  if (self->whole != NULL)
    return g_bytes_ref (self->whole);
  if (!_lsobs_join_is_empty (self->join))
    _lsobs_join_write (self->join, &out);
  else if (is_raw (self) && self->framing.event.len > 0)
    write_raw (self, &out, &self->framing.event);
  else if (is_raw (self) && self->raw.len > 0)
    write_raw (self, &out, &self->raw);
  else
    return NULL;
  return _lsobs_buffer_steal_bytes (&out);
}

/* Returns: how many bytes of the answer did not fit into the outputs */
guint64
_lsobs_call_answer_count_cut (LsobsCallAnswer *self)
{
  if (is_raw (self) && self->framing.event.len == 0)
    return self->framing.n_bytes - self->raw.len;
  return self->framing.n_cut + self->limit.n_cut;
}
