/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The request and the answer of a model: a line with the URL, a line with the body of the request,
 * and the answer. What becomes of them is valid JSON, and the same for an answer that comes in
 * pieces. */

#include "config.h"

#include "fuzz/fuzz.h"
#include "fuzz/strict-json.h"
#include "lsobs/call/lsobs-call-answer-private.h"
#include "lsobs/call/lsobs-call-request-private.h"

static void
assert_json (GBytes *json)
{
  gsize len;
  const char *text = g_bytes_get_data (json, &len);
  StrictFlaws flaws;
  g_autoptr (StrictValue) value = strict_value_read (text, len, &flaws);

  g_assert_nonnull (value);
  g_assert_cmpint (flaws, ==, 0);
}

/* Feeds each piece from its own memory, so that AddressSanitizer finds a read beyond it. */
static void
feed (LsobsCallAnswer *answer, const char *text, gsize len)
{
  g_autofree char *piece = g_malloc (MAX (len, 1));

  if (len > 0)
    memcpy (piece, text, len);
  _lsobs_call_answer_feed (answer, piece, len);
}

/* @limit: how many bytes of the outputs are kept
 * @step: the length of the pieces, or 0 for one piece
 * Returns: (transfer full) */
static LsobsCallAnswer *
make_answer (const LsobsCallRequest *request, const char *text, gsize len, gsize limit, gsize step)
{
  LsobsCallAnswer *answer = _lsobs_call_answer_new (request->format, request->n_choices);

  answer->is_guess = request->is_guess;
  answer->limit.n_left = limit;
  for (gsize done = 0; step > 0 && len > 0; text += done, len -= done)
    {
      done = MIN (step, len);
      feed (answer, text, done);
    }
  feed (answer, text, len);
  _lsobs_call_answer_end (answer, TRUE);
  return answer;
}

/* @object: (nullable)
 * @other: (nullable) */
static void
assert_same_object (JsonObject *object, JsonObject *other)
{
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);
  g_autoptr (JsonNode) other_node = json_node_new (JSON_NODE_OBJECT);

  g_assert_cmpint (object == NULL, ==, other == NULL);
  if (object == NULL)
    return;
  json_node_set_object (node, object);
  json_node_set_object (other_node, other);
  g_assert_true (json_node_equal (node, other_node));
}

static void
assert_same (LsobsCallAnswer *whole, LsobsCallAnswer *cut)
{
  g_autoptr (GBytes) outputs = _lsobs_call_answer_dup_outputs (whole);
  g_autoptr (GBytes) cut_outputs = _lsobs_call_answer_dup_outputs (cut);
  g_autofree char *error = _lsobs_call_answer_dup_error (whole, 0, NULL);
  g_autofree char *cut_error = _lsobs_call_answer_dup_error (cut, 0, NULL);

  g_assert_cmpint (outputs == NULL, ==, cut_outputs == NULL);
  if (outputs != NULL)
    {
      assert_json (outputs);
      g_assert_true (g_bytes_equal (outputs, cut_outputs));
    }
  g_assert_cmpstr (error, ==, cut_error);
  g_assert_cmpstr (whole->error_type, ==, cut->error_type);
  g_assert_cmpstr (whole->model, ==, cut->model);
  assert_same_object (whole->usage, cut->usage);
  assert_same_object (whole->details, cut->details);
  g_assert_cmpuint (whole->n_finished, ==, cut->n_finished);
  g_assert_cmpint (whole->is_known, ==, cut->is_known);
  g_assert_cmpint (whole->is_complete, ==, cut->is_complete);
  g_assert_cmpint (whole->is_stream, ==, cut->is_stream);
  g_assert_cmpint (whole->has_token, ==, cut->has_token);
  g_assert_cmpint (whole->has_ended, ==, cut->has_ended);
  g_assert_true (_lsobs_call_answer_count_cut (whole) == _lsobs_call_answer_count_cut (cut));
}

/* @limit: how many bytes of the outputs are kept */
static void
try_limit (const LsobsCallRequest *request, const char *text, gsize len, gsize limit)
{
  g_autoptr (LsobsCallAnswer) whole = make_answer (request, text, len, limit, 0);

  for (gsize step = 1; step <= 64; step *= 4)
    {
      g_autoptr (LsobsCallAnswer) cut = make_answer (request, text, len, limit, step);

      assert_same (whole, cut);
    }
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  FuzzInput input = { data, size };
  g_autofree char *url = fuzz_input_take_line (&input);
  g_autofree char *body_text = fuzz_input_take_line (&input);
  gsize len = input.len;
  g_autofree char *text = fuzz_input_take_text (&input, len);
  g_autoptr (GBytes) body = g_bytes_new (body_text, strlen (body_text));
  g_autoptr (LsobsCallRequest) request = _lsobs_call_request_new (url, body);

  if (request->inputs != NULL)
    assert_json (request->inputs);
  try_limit (request, text, len, LSOBS_CALL_MAX_BYTES);
  try_limit (request, text, len, len % 1024);
  return 0;
}
