/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/api/lsobs-model-call-private.h"
#include "lsobs/api/lsobs-observer-private.h"
#include "lsobs/api/lsobs-run-context-private.h"
#include "lsobs/api/lsobs-run-private.h"
#include "lsobs/call/lsobs-call-answer-private.h"
#include "lsobs/call/lsobs-call-mask-private.h"
#include "lsobs/call/lsobs-call-request-private.h"
#include "lsobs/text/lsobs-secret-name-private.h"

/**
 * SECTION:lsobs-model-call
 * @title: LsobsModelCall
 * @short_description: the call of a model, traced by its bytes
 *
 * Traces the call of a model as a run, from the URL and the body of the request, and from the bytes
 * of the answer. The program makes the call itself, with any HTTP library.
 *
 * |[<!-- language="C" -->
 * g_autoptr(LsobsModelCall) call = lsobs_model_call_new (observer, NULL, url, body);
 * guint8 buffer[4096];
 * gssize n;
 *
 * while ((n = g_input_stream_read (stream, buffer, sizeof buffer, NULL, &error)) > 0)
 *   lsobs_model_call_feed (call, buffer, (gsize) n);
 * if (n == 0)
 *   lsobs_model_call_finish (call, status);
 * else
 *   lsobs_model_call_fail (call, status, error);
 * ]|
 *
 * lsobs recognises the format by the end of the URL's path: chat completions, responses,
 * completions and embeddings of OpenAI, which many services and local programs also use; messages
 * of Anthropic; chat, generate and embed of Ollama; generateContent and embedContent of Google. The
 * first bytes of an answer show whether it is a stream, and of which kind. Other calls are recorded
 * unchanged, such as the binary event streams of Amazon Bedrock.
 *
 * # What is recorded
 *
 * The type of the run is %LSOBS_RUN_TYPE_LLM or %LSOBS_RUN_TYPE_EMBEDDING. Its inputs are the
 * messages and the offered tools. Its outputs are the answer. The pieces of a stream are joined:
 * texts, refusals, reasoning and tool calls have the same form as in an answer without a stream.
 * Contents of Google become messages in the form of OpenAI. For embeddings, only the number and the
 * size of the vectors are recorded.
 *
 * The metadata are the model, the provider, the parameters that are known not to be secrets, and
 * the member `metadata` of the request. The usage of the run has the tokens, and the costs if the
 * model service reports them; otherwise LangSmith computes the costs, and other services need not. If
 * a stream has no usage because the request did not ask for it, the metadata
 * `usage_missing` says so. The first part of a stream adds the event `new_token`.
 *
 * The run fails with the error message of the service, if there is one. It fails with `Cancelled`
 * if the program has cancelled the call, and with `Incomplete answer` if the end of the answer is
 * missing. Its outputs are then what has arrived. Whether an answer is complete depends on its
 * content, and not on how the connection has ended.
 *
 * # What is left out
 *
 * Only the provider and the model are recorded of the URL: not its user, and not its query, which
 * may have a key. This object does not see headers. These are masked: members of tools, of
 * metadata, and of the body of an unknown format, if their names are those of secrets or headers;
 * and tokens of well-known services in these places. The users and queries of URLs in these places
 * are left out. The same applies to error messages, and to an answer that repeats the request.
 *
 * At most 16 MiB of an answer are kept, or 64 KiB of an answer without events of its format. If a
 * request has more than 64 MiB, nothing of it is kept. The metadata `lsobs_cut_bytes` has the
 * number of bytes that are left out. %LSOBS_COUNTER_CUT_PAYLOADS counts such calls.
 *
 * If the two halves of an escaped character beyond U+FFFF, such as `\ud83d` and `\ude00`, come in
 * two events, two replacement characters (U+FFFD) are recorded, because half a character is not
 * valid text. The program gets the bytes unchanged.
 *
 * # Threads
 *
 * Any thread can use a call, but only one thread at a time.
 */

/* It is sent, so it is not translated. */
#define INCOMPLETE_ANSWER "Incomplete answer"

/* ... whose answer came, and was not handed over. */
#define NOT_HANDED_OVER \
 "The answer was not passed to lsobs. Send the message with lsobs_session_send() or its like, or " \
 "pass the stream to lsobs_message_wrap_response(), or the whole answer to lsobs_message_take_response()"

struct _LsobsModelCall
{
  GObject parent_instance;

  LsobsRun *run;             /* (owned) */
  LsobsCallRequest *request; /* (owned) (nullable) not %NULL if the run is sampled */
  LsobsCallAnswer *answer;   /* (owned) (nullable) %NULL if the run is not sampled, or has ended */
  char *phrase;              /* (owned) (nullable) the words of a status that is an error */
  gint64 refusal_time;       /* when that status came, in µs; 0: it has not */
  gboolean has_token;        /* the run has the event */
  gboolean has_body;         /* bytes of the body have come */
  gboolean is_unseen;        /* they went past lsobs */
  gboolean has_ended;
};

G_DEFINE_FINAL_TYPE (LsobsModelCall, lsobs_model_call, G_TYPE_OBJECT)

/* --- the start --- */

/* Metadata that the program sends to the provider comes first, so that it replaces nothing. */
static void
set_request_metadata (LsobsRun *run, JsonNode *metadata)
{
  JsonObjectIter iter;
  const char *name;
  JsonNode *node;

  if (metadata == NULL)
    return;
  json_object_iter_init_ordered (&iter, json_node_get_object (metadata));
  while (json_object_iter_next_ordered (&iter, &name, &node))
    if (!_lsobs_secret_name_is (name))
      lsobs_run_set_metadata (run, name, node);
}

/* @model: (nullable) */
static void
set_model (LsobsModelCall *self, const char *model)
{
  const LsobsCallFormat *format = self->request->format;
  const char *provider = self->request->provider;

  if (format != NULL && format->model_type != NULL)
    lsobs_run_set_model_type (self->run, format->model_type);
  if (provider != NULL)
    lsobs_run_set_metadata_string (self->run, "ls_provider", provider);
  if (model != NULL)
    lsobs_run_set_metadata_string (self->run, "ls_model_name", model);
}

/* @request: (nullable)
 * Returns: (transfer full) */
static char *
make_name (const LsobsCallRequest *request)
{
  gboolean is_known = request != NULL && request->format != NULL;
  const char *operation = is_known ? request->format->operation : "model call";

  return is_known && request->model != NULL ? g_strdup_printf ("%s %s", operation, request->model)
                                            : g_strdup (operation);
}

/* Whether a run may be sampled. Nothing is parsed for one that is not. */
static gboolean
may_be_sampled (LsobsExporter *exporter, LsobsRun *parent)
{
  return parent != NULL ? _lsobs_run_samples_children (parent)
                        : _lsobs_exporter_peek_settings (exporter)->values.tracing_enabled;
}

/* Says what the request says. */
static void
annotate (LsobsModelCall *self)
{
  const LsobsCallRequest *request = self->request;

  set_request_metadata (self->run, request->metadata);
  set_model (self, request->model);
  if (request->params == NULL)
    return;
  lsobs_run_set_invocation_params (self->run, request->params);
  lsobs_run_set_extra (self->run, "invocation_params", request->params);
}

static void
start (LsobsModelCall *self,
       LsobsExporter *exporter,
       LsobsRun *parent,
       LsobsModelCall *earlier,
       const char *url,
       GBytes *body)
{
  LsobsRunStart run_start = { .parent = parent,
                              .earlier = earlier != NULL ? earlier->run : NULL,
                              .run_type = LSOBS_RUN_TYPE_LLM };
  g_autofree char *name = NULL;

  if (may_be_sampled (exporter, parent))
    self->request = _lsobs_call_request_new (url, body);
  name = make_name (self->request);
  run_start.name = name;
  if (self->request != NULL)
    {
      run_start.inputs_json = self->request->inputs;
      if (self->request->format != NULL && self->request->format->model_type == NULL)
        run_start.run_type = LSOBS_RUN_TYPE_EMBEDDING;
    }
  self->run = _lsobs_run_start (exporter, &run_start);
  /* Without a request, another thread has just turned tracing on. */
  if (self->request == NULL || !lsobs_run_is_sampled (self->run))
    return;
  self->answer = _lsobs_call_answer_new (self->request->format, self->request->n_choices);
  self->answer->is_guess = self->request->is_guess;
  annotate (self);
}

/* --- the end --- */

static void
set_usage (LsobsModelCall *self)
{
  const LsobsCallFormat *format = self->request->format;
  g_autoptr (JsonNode) response = NULL;

  if (self->answer->usage != NULL)
    response = json_node_init_object (json_node_alloc (), self->answer->usage);
  if (lsobs_run_set_usage_from_response (self->run, response))
    return;
  if (self->answer->is_stream && !self->request->asks_usage && format != NULL &&
      format->must_ask_usage)
    lsobs_run_set_metadata_string (self->run, "usage_missing",
                                   "The request does not set stream_options.include_usage");
}

static void
set_integer (LsobsRun *run, const char *key, gint64 number)
{
  g_autoptr (JsonNode) node = json_node_init_int (json_node_alloc (), number);

  lsobs_run_set_metadata (run, key, node);
}

static void
count_cut (LsobsModelCall *self)
{
  guint64 n_cut = self->request->n_cut + _lsobs_call_answer_count_cut (self->answer);

  if (n_cut == 0)
    return;
  set_integer (self->run, "lsobs_cut_bytes", (gint64) MIN (n_cut, G_MAXINT64));
  _lsobs_counters_add (_lsobs_exporter_peek_counters (self->run->exporter),
                       LSOBS_COUNTER_CUT_PAYLOADS, 1);
}

/* Adds what the answer tells. */
static void
set_metadata (LsobsModelCall *self, guint status)
{
  LsobsCallAnswer *answer = self->answer;
  JsonObjectIter iter;
  const char *name;
  JsonNode *node;

  if (self->request->model == NULL && answer->model != NULL)
    set_model (self, answer->model);
  set_usage (self);
  count_cut (self);
  if (status >= 400)
    set_integer (self->run, "http_status", status);
  if (answer->error_type != NULL)
    lsobs_run_set_metadata_string (self->run, "error_type", answer->error_type);
  if (answer->details == NULL)
    return;
  json_object_iter_init_ordered (&iter, answer->details);
  while (json_object_iter_next_ordered (&iter, &name, &node))
    lsobs_run_set_metadata (self->run, name, node);
}

/* Ends the run, once. What the answer says goes before @error: a connection that ends badly after
 * the end of an answer changes nothing.
 * @error: (nullable)
 * @is_whole: whether the body has come to its end */
static void
end (LsobsModelCall *self, guint status, const GError *error, gboolean is_whole)
{
  g_autoptr (LsobsCallAnswer) answer = self->answer;
  g_autoptr (GBytes) outputs = NULL;
  g_autofree char *message = NULL;
  g_autofree char *masked = NULL;
  LsobsRunEnd run_end = { .duration_ms = -1 };

  if (self->has_ended)
    return;
  self->has_ended = TRUE;
  if (answer != NULL)
    {
      _lsobs_call_answer_end (answer, is_whole);
      set_metadata (self, status);
      outputs = _lsobs_call_answer_dup_outputs (answer);
      message = _lsobs_call_answer_dup_error (answer, status, self->phrase);
    }
  run_end.outputs_json = outputs;
  /* The program does not read the body of this error: the call has ended when the status came. */
  if (!is_whole && error == NULL && status >= 400 && !self->has_body)
    run_end.end_time = self->refusal_time;
  if (message == NULL && error != NULL && (answer == NULL || !answer->is_complete))
    {
      message = g_strdup (error->message);
      run_end.cause = error;
    }
  if (message != NULL)
    run_end.error = masked = _lsobs_call_mask_text (message);
  else if (answer != NULL ? !answer->is_complete : status >= 400)
    run_end.error = self->is_unseen ? NOT_HANDED_OVER : INCOMPLETE_ANSWER;
  _lsobs_run_finish (self->run, &run_end);
  self->answer = NULL;
}

/* A status came that is an error. Its body may follow.
 * @phrase: (nullable): the words of the service for it */
void
_lsobs_model_call_refuse (LsobsModelCall *self, const char *phrase)
{
  g_free (self->phrase);
  self->phrase = g_strdup (phrase);
  self->refusal_time = _lsobs_run_info_get_now (self->run->info);
}

/* Ends the run at the end of the body, or with an error.
 * @error: (nullable) */
void
_lsobs_model_call_end (LsobsModelCall *self, guint status, const GError *error)
{
  end (self, status, error, error == NULL);
}

/* Ends the run with the part of the answer that has arrived: the rest of the body is not read.
 * @error: (nullable): why not */
void
_lsobs_model_call_drop (LsobsModelCall *self, guint status, const GError *error)
{
  end (self, status, error, FALSE);
}

/* The same for an answer that the program has not handed over. */
void
_lsobs_model_call_drop_unseen (LsobsModelCall *self, guint status)
{
  self->is_unseen = TRUE;
  end (self, status, NULL, FALSE);
}

/* Takes the next piece of the answer. */
void
_lsobs_model_call_feed (LsobsModelCall *self, const char *data, gsize len)
{
  if (self->answer == NULL)
    return;
  self->has_body |= len > 0;
  _lsobs_call_answer_feed (self->answer, data, len);
  if (self->answer->has_token && self->answer->is_stream && !self->has_token)
    {
      self->has_token = TRUE;
      lsobs_run_add_event (self->run, "new_token", NULL);
    }
  /* The status goes with an error, and comes with the end of the body. */
  if (self->answer->has_ended && self->answer->error == NULL)
    _lsobs_model_call_end (self, 0, NULL);
}

static void
lsobs_model_call_finalize (GObject *object)
{
  LsobsModelCall *self = LSOBS_MODEL_CALL (object);

  if (self->run != NULL)
    _lsobs_model_call_drop (self, 0, NULL);
  g_clear_pointer (&self->request, _lsobs_call_request_free);
  g_clear_pointer (&self->run, lsobs_run_unref);
  g_free (self->phrase);
  G_OBJECT_CLASS (lsobs_model_call_parent_class)->finalize (object);
}

static void
lsobs_model_call_class_init (LsobsModelCallClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = lsobs_model_call_finalize;
}

static void
lsobs_model_call_init (LsobsModelCall *self G_GNUC_UNUSED)
{
}

/* @parent: (nullable): %NULL makes a root
 * @earlier: (nullable): an earlier call for the same work; a root goes to its project
 * @body: (nullable)
 * Returns: (transfer full) */
LsobsModelCall *
_lsobs_model_call_new (LsobsExporter *exporter,
                       LsobsRun *parent,
                       LsobsModelCall *earlier,
                       const char *url,
                       GBytes *body)
{
  LsobsModelCall *self = g_object_new (LSOBS_TYPE_MODEL_CALL, NULL);

  start (self, exporter, parent, earlier, url, body);
  return self;
}

/**
 * lsobs_model_call_new:
 * @observer: an observer
 * @parent: (nullable): the parent of the run, or %NULL for the current run of this thread, see
 *   lsobs_run_push_thread_default(); without a current run, the run is the root of a trace
 * @url: the URL of the request; its query and its user are not recorded
 * @body: (nullable): the body of the request
 *
 * Starts a run for the call of a model. The start time is the time of this call.
 *
 * Returns: (transfer full): a new call
 *
 * Since: 0.1
 */
LsobsModelCall *
lsobs_model_call_new (LsobsObserver *observer, LsobsRun *parent, const char *url, GBytes *body)
{
  g_autoptr (LsobsExporter) exporter = NULL;
  g_autoptr (LsobsRun) current = NULL;

  g_return_val_if_fail (LSOBS_IS_OBSERVER (observer), NULL);
  g_return_val_if_fail (lsobs_observer_get_exporter (observer) != NULL, NULL);
  g_return_val_if_fail (url != NULL, NULL);

  exporter = _lsobs_observer_ref_exporter (observer);
  if (parent == NULL)
    parent = current = _lsobs_run_context_ref (exporter);
  return _lsobs_model_call_new (parent != NULL ? parent->exporter : exporter, parent, NULL, url,
                                body);
}

/**
 * lsobs_model_call_get_run:
 * @self: a call
 *
 * Gets the run, for example to add tags.
 *
 * Returns: (transfer none): the run
 *
 * Since: 0.1
 */
LsobsRun *
lsobs_model_call_get_run (LsobsModelCall *self)
{
  g_return_val_if_fail (LSOBS_IS_MODEL_CALL (self), NULL);

  return self->run;
}

/**
 * lsobs_model_call_set_request_id:
 * @self: a call
 * @request_id: the id that the service has given to the request, from a header such as
 *   `x-request-id`
 *
 * Sets the metadata `request_id` of the run, with which the service can find the request. Call it
 * before you feed the answer: the end of a stream ends the run.
 *
 * Since: 0.1
 */
void
lsobs_model_call_set_request_id (LsobsModelCall *self, const char *request_id)
{
  g_return_if_fail (LSOBS_IS_MODEL_CALL (self));
  g_return_if_fail (request_id != NULL);

  if (!self->has_ended)
    lsobs_run_set_metadata_string (self->run, "request_id", request_id);
}

/**
 * lsobs_model_call_feed:
 * @self: a call
 * @data: (array length=n_bytes) (element-type guint8): the next bytes of the body of the answer,
 *   without content or transfer encoding
 * @n_bytes: the number of bytes
 *
 * Adds the next bytes of the body of the answer, in pieces of any size. When the mark for the end
 * of a stream arrives, the run ends, and later bytes are ignored.
 *
 * Since: 0.1
 */
void
lsobs_model_call_feed (LsobsModelCall *self, const guint8 *data, gsize n_bytes)
{
  g_return_if_fail (LSOBS_IS_MODEL_CALL (self));
  g_return_if_fail (data != NULL || n_bytes == 0);

  _lsobs_model_call_feed (self, (const char *) data, n_bytes);
}

/**
 * lsobs_model_call_feed_bytes:
 * @self: a call
 * @bytes: the next bytes of the body of the answer
 *
 * Adds the next bytes of the body of the answer, or all of them, as lsobs_model_call_feed() does.
 *
 * Since: 0.1
 */
void
lsobs_model_call_feed_bytes (LsobsModelCall *self, GBytes *bytes)
{
  gsize n_bytes;
  const char *data;

  g_return_if_fail (LSOBS_IS_MODEL_CALL (self));
  g_return_if_fail (bytes != NULL);

  data = g_bytes_get_data (bytes, &n_bytes);
  _lsobs_model_call_feed (self, data, n_bytes);
}

/**
 * lsobs_model_call_finish:
 * @self: a call
 * @status: the HTTP status, or 0 if it is not known
 *
 * Ends the call at the end of the answer. Later calls of functions for this object do nothing. The
 * last unref ends a call with what has arrived, if the program has not ended it.
 *
 * Since: 0.1
 */
void
lsobs_model_call_finish (LsobsModelCall *self, guint status)
{
  g_return_if_fail (LSOBS_IS_MODEL_CALL (self));

  _lsobs_model_call_end (self, status, NULL);
}

/**
 * lsobs_model_call_fail:
 * @self: a call
 * @status: the HTTP status, or 0 if there is none
 * @error: why there is no answer, or why it is incomplete, such as %G_IO_ERROR_CANCELLED
 *
 * Ends the call with an error. If the answer is complete, the run does not fail. If the service has
 * sent an error message, the run fails with that message instead. Only the first end of a call has
 * an effect.
 *
 * Since: 0.1
 */
void
lsobs_model_call_fail (LsobsModelCall *self, guint status, const GError *error)
{
  g_return_if_fail (LSOBS_IS_MODEL_CALL (self));
  g_return_if_fail (error != NULL);

  _lsobs_model_call_end (self, status, error);
}
