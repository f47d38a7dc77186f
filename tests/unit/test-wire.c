/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <locale.h>
#include <string.h>

#include "tests/lib/test-utils.h"
#include "tests/lib/wire-capture.h"

/* The judge itself on trial: it must take what real clients sent, and see the right runs in it.
 * What it must refuse is in test-wire-flaws.c. */

/* --- the worked example, byte by byte ------------------------------------------------------ */

#define R "019ca8bb-f152-7a10-8c3e-5b7d2f90a1c4"
#define L "019ca8bb-f15e-7b21-9d4f-6c8e30a1b2d5"
#define T "019ca8bb-f72e-7c32-ae50-7d9f41b2c3e6"
#define F "019ca8bb-fab2-7d43-bf61-8ea052c3d4f7"

static const char example_type[] = "multipart/form-data; boundary=lsobs-7f3a9c51d2e84b06";

static void
test_example_parts (void)
{
  /* clang-format off */
  static const struct { gsize offset, header_length, payload_length; const char *name; } expected[] = {
    { 0, 163, 298, "post." R }, { 463, 169, 35, "post." R ".inputs" }, { 669, 169, 139, "post." R ".extra" },
    { 979, 163, 437, "post." L }, { 1581, 169, 63, "post." L ".inputs" }, { 1815, 170, 76, "post." L ".outputs" },
    { 2063, 169, 59, "post." L ".events" }, { 2293, 169, 310, "post." L ".extra" }, { 2774, 164, 435, "patch." T },
    { 3375, 169, 20, "patch." T ".error" }, { 3566, 166, 21, "attachment." T ".log" }, { 3755, 167, 303, "feedback." F },
  };
  /* clang-format on */
  g_autoptr (GBytes) body = test_data_load ("example-c-multipart.bin");
  g_autofree char *digest = g_compute_checksum_for_bytes (G_CHECKSUM_SHA256, body);
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) parts = wire_multipart_parse (example_type, body, WIRE_STRICT, &error);

  g_assert_no_error (error);
  g_assert_cmpstr (digest, ==, "bc5d002d8919ec0e685d749c926c90feae9cca7a63782a7a0fe6b641a4ed2e2a");
  g_assert_cmpuint (g_bytes_get_size (body), ==, 4255);
  g_assert_cmpuint (parts->len, ==, G_N_ELEMENTS (expected));
  for (guint i = 0; i < parts->len; i++)
    {
      WirePart *part = g_ptr_array_index (parts, i);

      g_assert_cmpuint (part->offset, ==, expected[i].offset);
      g_assert_cmpuint (part->header_length, ==, expected[i].header_length);
      g_assert_cmpuint (part->payload_length, ==, expected[i].payload_length);
      g_assert_cmpuint (g_bytes_get_size (part->payload), ==, expected[i].payload_length);
      g_assert_cmpstr (part->name, ==, expected[i].name);
    }
}

static void
test_example_runs (void)
{
  g_autoptr (GBytes) body = test_data_load ("example-c-multipart.bin");
  g_autoptr (GError) error = NULL;
  g_autoptr (WireRequest) request = NULL;
  g_autoptr (WireTree) tree = wire_tree_new ();
  g_autoptr (GPtrArray) pending = NULL;
  g_autofree char *text = NULL;
  WireAttachment *attachment;
  WireRun *run;

  request = wire_request_parse ("POST", "/runs/multipart", example_type, body, WIRE_STRICT, &error);
  g_assert_no_error (error);
  wire_check_request (request, WIRE_STRICT, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (request->ops->len, ==, 3);
  g_assert_cmpuint (request->payload_bytes, ==, 2196);
  g_assert_cmpuint (request->loose_attachments->len, ==, 0);
  g_assert_cmpuint (wire_request_find (request, "post", R)->payload_bytes, ==, 298 + 35 + 139);
  g_assert_null (wire_request_find (request, "post", T));

  wire_tree_add_request (tree, request);
  wire_tree_check (tree, WIRE_TREE_CHECK_LINKS, &error);
  g_assert_no_error (error);
  g_assert_false (wire_tree_check (tree, WIRE_TREE_CHECK_ALL, &error));
  g_assert_error (error, WIRE_ERROR, WIRE_ERROR_INCOMPLETE);

  text = wire_tree_to_string (tree, WIRE_TREE_DURATIONS | WIRE_TREE_INPUTS | WIRE_TREE_ERRORS);
  g_assert_cmpstr (
      text, ==,
      "support-agent chain pending inputs={\"question\":\"Where is order 1138?\"}\n"
      "  chat-completion llm ok 1438000us inputs={\"messages\":[{\"content\":\"Where is order 1138?\","
      "\"role\":\"user\"}]}\n"
      "  order_lookup tool error 480000us error=\"upstream timed out\"\n");

  pending = wire_tree_dup_pending (tree);
  g_assert_cmpuint (pending->len, ==, 1);
  g_assert_true (g_ptr_array_index (pending, 0) == wire_tree_get_root (tree));
  g_assert_cmpuint (wire_tree_get_n_feedback (tree), ==, 1);

  run = wire_tree_find (tree, "order_lookup");
  g_assert_cmpstr (run->id, ==, T);
  g_assert_cmpuint (run->n_posts, ==, 0);
  g_assert_cmpuint (run->n_patches, ==, 1);
  g_assert_cmpuint (run->attachments->len, ==, 1);
  attachment = g_ptr_array_index (run->attachments, 0);
  g_assert_cmpstr (attachment->name, ==, "log");
  g_assert_cmpmem (g_bytes_get_data (attachment->data, NULL), g_bytes_get_size (attachment->data),
                   "GET /orders/1138\n504\n", 21);
  g_assert_cmpstr (wire_run_get_string (wire_tree_lookup (tree, L), "extra.metadata.ls_provider"),
                   ==, "openai");
}

/* --- captures of official clients ---------------------------------------------------------- */

typedef struct
{
  const char *file;
  const char *tree;
} Capture;

#define RUNTREE \
 "agent chain ok\n" \
 "  search tool ok\n" \
 "  calc tool error\n" \
 "  ChatModel llm ok\n"

/* clang-format off */
static const Capture captures[] = {
  { "js-a-batch-json", RUNTREE },
  { "js-a-runtree-merged-multipart", RUNTREE },
  { "js-a-runtree-slow-create-then-patch", RUNTREE },
  /* the stored parts of this one are only a selection: no errors */
  { "js-c-attachments",
    "agent chain ok\n"
    "  search tool ok\n"
    "  calc tool ok\n"
    "  ChatModel llm ok\n"
    "late-attach chain ok\n"
    "attach-on-patch chain ok\n" },
  { "js-f-distributed",
    "client-side chain ok\n"
    "  remote-child tool ok\n"
    "  remote-traceable chain ok\n" },
  { "py-a-runtree-merged-multipart", RUNTREE },
  { "py-a-runtree-slow-zstd", RUNTREE },
  { "py-a-single-post-patch", RUNTREE },
  { "py-f-distributed",
    "client-side chain ok\n"
    "  remote-child tool ok\n" },
};
/* clang-format on */

static void
assert_tree (WireTree *tree, const char *expected)
{
  g_autofree char *text = wire_tree_to_string (tree, WIRE_TREE_PLAIN);
  g_autoptr (GError) error = NULL;

  g_assert_cmpstr (text, ==, expected);
  wire_tree_check (tree, WIRE_TREE_CHECK_ALL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (wire_tree_get_n_pending (tree), ==, 0);
}

static void
test_capture (gconstpointer data)
{
  const Capture *capture = data;
  g_autoptr (GPtrArray) requests = wire_capture_load (capture->file);
  g_autoptr (WireTree) tree = wire_tree_new ();
  gboolean is_strict = TRUE;

  for (guint i = 0; i < requests->len; i++)
    {
      WireRequest *request = g_ptr_array_index (requests, i);
      g_autoptr (GError) error = NULL;

      wire_check_request (request, WIRE_DIALECT, &error);
      g_assert_no_error (error);
      wire_tree_add_request (tree, request);
      is_strict &= wire_check_request (request, WIRE_STRICT, NULL);
    }

  /* no official client writes times as we must: the modes do differ */
  g_assert_false (is_strict);

  assert_tree (tree, capture->tree);
}

static void
check_raw (const char *file, const char *type)
{
  g_autofree char *name = g_strconcat ("captures/", file, NULL);
  g_autoptr (GBytes) body = test_data_load (name);
  g_autoptr (GError) error = NULL;
  g_autoptr (WireRequest) request = NULL;
  g_autoptr (WireTree) tree = wire_tree_new ();
  g_autoptr (GPtrArray) children = NULL;
  WireRun *root;

  request = wire_request_parse ("POST", "/api/v1/runs/multipart", type, body, WIRE_DIALECT, &error);
  g_assert_no_error (error);
  wire_check_request (request, WIRE_DIALECT, &error);
  g_assert_no_error (error);
  wire_tree_add_request (tree, request);
  assert_tree (tree, RUNTREE);

  root = wire_tree_get_root (tree);
  g_assert_cmpstr (root->name, ==, "agent");
  children = wire_tree_dup_children (tree, root->id);
  g_assert_cmpuint (children->len, ==, 3);
  g_assert_cmpstr (((WireRun *) g_ptr_array_index (children, 2))->name, ==, "ChatModel");
}

static void
test_raw_js (void)
{
  check_raw ("js-a-runtree.multipart.raw",
             "multipart/form-data; boundary=----LangSmithFormBoundarycsn2w6zs3jm");
}

static void
test_raw_py (void)
{
  check_raw ("py-a-runtree.multipart.raw",
             "multipart/form-data; boundary=bbdc6d2443d34ff1a713ea09bacd7f77");
}

int
main (int argc, char *argv[])
{
  setlocale (LC_ALL, "");
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/wire/example/parts", test_example_parts);
  g_test_add_func ("/wire/example/runs", test_example_runs);
  g_test_add_func ("/wire/raw/js", test_raw_js);
  g_test_add_func ("/wire/raw/py", test_raw_py);
  for (guint i = 0; i < G_N_ELEMENTS (captures); i++)
    {
      g_autofree char *path = g_strconcat ("/wire/capture/", captures[i].file, NULL);

      g_test_add_data_func (path, &captures[i], test_capture);
    }

  return g_test_run ();
}
