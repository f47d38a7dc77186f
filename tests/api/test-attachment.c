/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <lsobs/lsobs.h>

#include "tests/lib/attachment-helpers.h"
#include "tests/lib/fork-helpers.h"

/* Files that go with a run: what they may be called, and when they leave. */

/* The last operation of a kind on a run. */
static guint
count_in_operation (RunFixture *fixture, const char *operation, const char *id)
{
  g_autoptr (GPtrArray) requests = test_server_dup_ingest (fixture->server);

  for (guint i = requests->len; i > 0; i--)
    {
      TestRequest *request = g_ptr_array_index (requests, i - 1);
      WireOp *op = request->wire != NULL ? wire_request_find (request->wire, operation, id) : NULL;

      if (op != NULL)
        return op->attachments->len;
    }
  g_assert_not_reached ();
}

/* --- what they are called --- */

#define TEN     "0123456789"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

static const char *const good_names[] = {
  "a",
  "log",
  "A_b-c d",
  " ",
  "-",
  "0",
  HUNDRED,
  "\xc3\xa9t\xc3\xa9",
  "\xe6\x97\xa5\xe6\x9c\xac",
  "\xf0\x9f\x98\x80",
  "\xc2\xa0",
};

static const char *const bad_names[] = {
  "", HUNDRED "0", "\xff", "caf\xc3", "\xc0\x80", "\xed\xa0\x80",
};

/* Names with characters that cannot be sent, and what is sent. */
static const char *const odd_names[][2] = {
  { "shot.png", "shot_png" },
  { ".", "_" },
  { "a\"b", "a_b" },
  { "a\\c", "a_c" },
  { "a\r\nContent-Type: text/html", "a__Content-Type_ text_html" },
  { "tab\tb", "tab_b" },
  { "x;y", "x_y" },
  { "x/z", "x_z" },
  { "k=v", "k_v" },
  { "a%22b", "a_22b" },
  { "\x7f", "_" },
  { "line\xe2\x80\xa8"
    "end",
    "line_end" },
  { "par\xe2\x80\xa9"
    "end",
    "par_end" },
  { "next\xc2\x85"
    "end",
    "next_end" },
  { "caf\xc3\xa9.jpeg", "caf\xc3\xa9_jpeg" },
};

static void
test_good_names (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = attachment_start_run (fixture, "run");
  WireRun *got;

  for (guint i = 0; i < G_N_ELEMENTS (good_names); i++)
    attachment_add (run, good_names[i], "text");
  lsobs_run_end (run, NULL);
  run_fixture_flush (fixture);
  got = run_fixture_find (fixture, "run");
  g_assert_cmpuint (got->attachments->len, ==, G_N_ELEMENTS (good_names));
  for (guint i = 0; i < G_N_ELEMENTS (good_names); i++)
    g_assert_cmpstr (((WireAttachment *) g_ptr_array_index (got->attachments, i))->name, ==,
                     good_names[i]);
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_DROPPED_ATTACHMENTS), ==, 0);
}

/* An underscore takes the place of what cannot be sent. */
static void
test_odd_names (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  for (guint i = 0; i < G_N_ELEMENTS (odd_names); i++)
    {
      g_autofree char *name = g_strdup_printf ("run %u", i);
      g_autoptr (LsobsRun) run = attachment_start_run (fixture, name);
      WireRun *got;

      attachment_add (run, odd_names[i][0], "text");
      lsobs_run_end (run, NULL);
      run_fixture_flush (fixture);
      got = run_fixture_find (fixture, name);
      g_assert_cmpuint (got->attachments->len, ==, 1);
      g_assert_cmpstr (((WireAttachment *) g_ptr_array_index (got->attachments, 0))->name, ==,
                       odd_names[i][1]);
    }
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_DROPPED_ATTACHMENTS), ==, 0);
}

static void
test_bad_names (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = attachment_start_run (fixture, "run");
  g_autoptr (GBytes) bytes = run_bytes ("text");
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (bad_names); i++)
    {
      attachment_assert_refused (lsobs_run_add_attachment (run, bad_names[i], "text/plain", bytes,
                                                           &error),
                                 &error, LSOBS_ERROR_INVALID_ATTACHMENT);
      g_assert_false (lsobs_run_add_attachment (run, bad_names[i], "text/plain", bytes, NULL));
    }
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_DROPPED_ATTACHMENTS), ==,
                    2 * G_N_ELEMENTS (bad_names));
  attachment_assert_got (fixture, "run", "");
}

static void
test_types (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  /* clang-format off */
  static const struct { const char *given; const char *sent; } types[] = {
    { "image/png", "image/png" },
    { "application/vnd.api+json", "application/vnd.api+json" },
    { "text/plain; charset=utf-8", "text/plain; charset=utf-8" },
    { "text/plain;charset=utf-8 ; a=b", "text/plain; charset=utf-8; a=b" /* as the judge puts it */ },
    { NULL, NULL }, { "", NULL }, { "png", NULL }, { "image/", NULL }, { "/png", NULL }, { "image/png/x", NULL },
    { " image/png", NULL }, { "image/png ", NULL }, { "image /png", NULL }, { "image/png;", NULL },
    { "image/png; charset", NULL }, { "image/png; charset=", NULL }, { "image/png; =utf-8", NULL },
    { "text/plain; charset=\"utf-8\"", NULL }, { "text/plain; length=3", NULL }, { "text/plain; Length=3", NULL },
    { "text/plain\r\nX-Other: 1", NULL }, { "text/plain\n", NULL }, { "text/pl\xc3\xa4in", NULL }, { "text/\xff", NULL },
    { "*/*", "*/*" }, { "text/plain; lengths=3", "text/plain; lengths=3" },
  };
  /* clang-format on */
  g_autoptr (LsobsRun) run = attachment_start_run (fixture, "run");
  g_autoptr (GBytes) bytes = run_bytes ("text");
  WireRun *got;

  for (guint i = 0; i < G_N_ELEMENTS (types); i++)
    {
      g_autofree char *name = g_strdup_printf ("file %u", i);

      g_assert_true (lsobs_run_add_attachment (run, name, types[i].given, bytes, NULL));
    }
  run_fixture_flush (fixture);
  got = run_fixture_find (fixture, "run");
  g_assert_cmpuint (got->attachments->len, ==, G_N_ELEMENTS (types));
  for (guint i = 0; i < G_N_ELEMENTS (types); i++)
    g_assert_cmpstr (((WireAttachment *) g_ptr_array_index (got->attachments, i))->content_type, ==,
                     types[i].sent != NULL ? types[i].sent : "application/octet-stream");
}

/* --- when they leave --- */

static void
test_short_run (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = attachment_start_run (fixture, "run");

  attachment_add (run, "a", "1");
  attachment_add (run, "b", "2");
  lsobs_run_end (run, NULL);
  attachment_assert_got (fixture, "run", "a=1 b=2");
  g_assert_cmpuint (run_fixture_find (fixture, "run")->n_patches, ==, 0);
}

/* With the create as long as that waits: the run may last for hours. */
static void
test_with_create (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = attachment_start_run (fixture, "run");
  g_autofree char *id = lsobs_run_dup_id (run);

  attachment_add (run, "a", "1");
  attachment_assert_got (fixture, "run", "a=1");
  lsobs_run_end (run, NULL);
  attachment_assert_got (fixture, "run", "a=1");
  g_assert_cmpuint (run_fixture_find (fixture, "run")->n_patches, ==, 1);
  g_assert_cmpuint (count_in_operation (fixture, "patch", id), ==, 0);
}

static void
test_with_end (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = attachment_start_run (fixture, "run");
  g_autofree char *id = lsobs_run_dup_id (run);

  attachment_add (run, "a", "1");
  run_fixture_flush (fixture);
  attachment_add (run, "b", "2");
  attachment_add (run, "c", "3");
  attachment_assert_got (fixture, "run", "a=1");
  lsobs_run_end (run, NULL);
  attachment_assert_got (fixture, "run", "a=1 b=2 c=3");
  g_assert_cmpuint (count_in_operation (fixture, "post", id), ==, 1);
  g_assert_cmpuint (count_in_operation (fixture, "patch", id), ==, 2);
}

static void
test_same_name (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = attachment_start_run (fixture, "run");

  attachment_add (run, "a", "1");
  attachment_add (run, "b", "2");
  attachment_add (run, "a", "3");
  attachment_assert_got (fixture, "run", "a=3 b=2");
  attachment_add (run, "a", "4");
  attachment_add (run, "a", "5");
  lsobs_run_end (run, NULL);
  attachment_assert_got (fixture, "run", "a=3 b=2 a=5");
}

static void
test_empty (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = attachment_start_run (fixture, "run");

  attachment_add (run, "empty", "");
  attachment_assert_got (fixture, "run", "empty=");
}

static void
test_children (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = attachment_start_run (fixture, "run");
  g_autoptr (LsobsRun) child = NULL;

  attachment_add (run, "a", "1");
  child = lsobs_run_start_child (run, "child", LSOBS_RUN_TYPE_TOOL, NULL);
  lsobs_run_end (child, NULL);
  attachment_assert_got (fixture, "child", "");
}

/* What is in them is nobody's business. */
static void
test_any_bytes (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const char bytes[] =
      "\r\n--lsobs-\r\nContent-Disposition: form-data; name=\"post.1\"\r\n\r\n{}\r\n"
      "--lsobs---\r\n\0\xff\xfe\r\n--";
  g_autoptr (GBytes) binary = g_bytes_new_static (bytes, sizeof bytes - 1);
  g_autoptr (LsobsRun) run = attachment_start_run (fixture, "run");
  WireAttachment *got;

  g_assert_true (lsobs_run_add_attachment (run, "file", NULL, binary, NULL));
  lsobs_run_end (run, NULL);
  run_fixture_flush (fixture);
  got = g_ptr_array_index (run_fixture_find (fixture, "run")->attachments, 0);
  g_assert_true (g_bytes_equal (got->data, binary));
}

static void
test_late (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = attachment_start_run (fixture, "run");

  lsobs_run_end (run, NULL);
  attachment_add (run, "a", "1");
  g_assert_cmpuint (run_fixture_get (fixture, LSOBS_COUNTER_LATE_UPDATES), ==, 1);
  attachment_assert_got (fixture, "run", "");
}

static void
test_unsampled (RunFixture *fixture, gconstpointer data)
{
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (GBytes) bytes = run_bytes ("text");

  run_fixture_set_up (fixture, data);
  lsobs_config_set_sampling_rate (fixture->config, 0);
  run_fixture_start (fixture);
  run = attachment_start_run (fixture, "run");
  attachment_add (run, "a", "1");
  /* A program does not go wrong by chance. */
  g_assert_false (lsobs_run_add_attachment (run, "", NULL, bytes, NULL));
  lsobs_run_end (run, NULL);
  run_fixture_flush (fixture);
  g_assert_cmpuint (test_server_count_requests (fixture->server, NULL), ==, 0);
}

/* --- of runs by their ids --- */

#define R "019ca8bb-f152-7a10-8c3e-5b7d2f90a1c4"

/* Takes @event over. */
static void
enqueue (LsobsExporter *exporter, LsobsRunEvent *event)
{
  g_autoptr (GError) error = NULL;

  lsobs_exporter_enqueue (exporter, event, &error);
  g_assert_no_error (error);
  lsobs_run_event_unref (event);
}

static void
attach_to_event (LsobsRunEvent *event, const char *name, GBytes *bytes)
{
  g_autoptr (GError) error = NULL;

  lsobs_run_event_add_attachment (event, name, "text/plain", bytes, &error);
  g_assert_no_error (error);
}

/* What has left since the last time: one event, with files of these names. */
static LsobsRunEvent *
flush_event (LsobsExporter *exporter, LsobsMemoryTransport *transport, const char *names)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) events = NULL;
  g_auto (GStrv) got = NULL;
  g_autofree char *joined = NULL;

  lsobs_memory_transport_clear (transport);
  lsobs_exporter_flush (exporter, TEST_TIMEOUT_MS, NULL, &error);
  g_assert_no_error (error);
  events = lsobs_memory_transport_dup_events (transport);
  g_assert_cmpuint (events->len, ==, 1);
  got = lsobs_run_event_dup_attachment_names (events->pdata[0]);
  joined = g_strjoinv (" ", got);
  g_assert_cmpstr (joined, ==, names);
  return lsobs_run_event_ref (events->pdata[0]);
}

static void
test_events (void)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new (NULL, "project");
  g_autoptr (LsobsMemoryTransport) transport = lsobs_memory_transport_new ();
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (LsobsExporter) exporter = NULL;
  LsobsRunEvent *event = lsobs_run_event_new_start (R, NULL, "run", LSOBS_RUN_TYPE_CHAIN, NULL);
  g_autoptr (LsobsRunEvent) got = NULL;
  g_autoptr (GBytes) one = run_bytes ("1");
  g_autoptr (GBytes) two = run_bytes ("2");
  const char *type = "";

  lsobs_config_set_flush_interval (config, TEST_NEVER_MS);
  exporter = g_initable_new (LSOBS_TYPE_EXPORTER, NULL, NULL, "config", config, "transport",
                             transport, "main-context", context, NULL);
  attach_to_event (event, "a", one);
  attach_to_event (event, "b", one);
  attach_to_event (event, "b", two);
  enqueue (exporter, event);
  got = flush_event (exporter, transport, "a b");
  /* They are not copied on the way. */
  g_assert_true (g_bytes_get_data (lsobs_run_event_get_attachment (got, "a", &type), NULL) ==
                 g_bytes_get_data (one, NULL));
  g_assert_cmpstr (type, ==, "text/plain");
  g_assert_true (g_bytes_equal (lsobs_run_event_get_attachment (got, "b", NULL), two));
  g_assert_null (lsobs_run_event_get_attachment (got, "c", &type));
  g_assert_null (type);
  g_clear_pointer (&got, lsobs_run_event_unref);

  event = lsobs_run_event_new_update (R, NULL, NULL);
  attach_to_event (event, "c", one);
  enqueue (exporter, event);
  /* What comes after the end joins it as long as that waits. */
  event = lsobs_run_event_new_update (R, NULL, NULL);
  attach_to_event (event, "c", two);
  attach_to_event (event, "d", two);
  enqueue (exporter, event);
  got = flush_event (exporter, transport, "c d");
  g_assert_true (g_bytes_equal (lsobs_run_event_get_attachment (got, "c", NULL), two));
}

static void
test_event_refusals (void)
{
  g_autoptr (LsobsRunEvent) event = lsobs_run_event_new_update (R, NULL, NULL);
  g_autoptr (GBytes) bytes = run_bytes ("1");
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) none = lsobs_run_event_dup_attachment_names (event);

  g_assert_cmpuint (g_strv_length (none), ==, 0);
  attachment_assert_refused (lsobs_run_event_add_attachment (event, "", NULL, bytes, &error),
                             &error, LSOBS_ERROR_INVALID_ATTACHMENT);
  for (guint i = 0; i < 100; i++)
    {
      g_autofree char *name = g_strdup_printf ("file %u", i);

      attach_to_event (event, name, bytes);
    }
  attachment_assert_refused (lsobs_run_event_add_attachment (event, "more", NULL, bytes, &error),
                             &error, LSOBS_ERROR_TOO_LARGE);
}

/* --- threads and processes --- */

#define N_THREADS 4
#define N_FILES   20

typedef struct
{
  LsobsRun *run;
  RunBarrier barrier;
} Shared;

static gpointer
attach_many (gpointer data)
{
  Shared *shared = data;
  g_autofree char *prefix = g_strdup_printf ("%p", (void *) g_thread_self ());

  run_barrier_wait (&shared->barrier);
  for (guint i = 0; i < N_FILES; i++)
    {
      g_autofree char *name = g_strdup_printf ("%s-%u", prefix, i);

      attachment_add (shared->run, name, "text");
    }
  return NULL;
}

/* None is lost on the way but those that come too late, which are counted. */
static void
test_threads (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  for (guint round = 0; round < 20; round++)
    {
      g_autofree char *run_name = g_strdup_printf ("run-%u", round);
      Shared shared = { .run = attachment_start_run (fixture, run_name) };
      guint64 n_late = run_fixture_get (fixture, LSOBS_COUNTER_LATE_UPDATES);
      GThread *threads[N_THREADS];

      run_barrier_init (&shared.barrier, N_THREADS + 1);
      if (round % 2 == 0)
        run_fixture_flush (fixture);
      for (guint i = 0; i < N_THREADS; i++)
        threads[i] = g_thread_new ("attach", attach_many, &shared);
      run_barrier_wait (&shared.barrier);
      if (round % 4 < 2)
        lsobs_exporter_flush (fixture->exporter, 0, NULL, NULL);
      lsobs_run_end (shared.run, NULL);
      for (guint i = 0; i < N_THREADS; i++)
        g_thread_join (threads[i]);
      run_fixture_flush (fixture);
      n_late = run_fixture_get (fixture, LSOBS_COUNTER_LATE_UPDATES) - n_late;
      g_assert_cmpuint (run_fixture_find (fixture, run_name)->attachments->len + n_late, ==,
                        N_THREADS * N_FILES);
      run_barrier_clear (&shared.barrier);
      lsobs_run_unref (shared.run);
    }
}

/* To each place they go with what waits on the way there. */
static void
test_replicas (RunFixture *fixture, gconstpointer data)
{
  g_autoptr (TestServer) second = test_server_new ();
  g_autoptr (LsobsRun) run = NULL;
  g_autoptr (LsobsRun) never_ended = NULL;
  g_autoptr (WireTree) tree = NULL;
  WireRun *there;

  run_fixture_set_up (fixture, data);
  lsobs_config_add_replica (fixture->config, test_server_get_url (fixture->server), RUN_API_KEY,
                            NULL, NULL, LSOBS_REPLICA_ROLE_AUTO);
  lsobs_config_add_replica (fixture->config, test_server_get_url (second), RUN_API_KEY, "other",
                            NULL, LSOBS_REPLICA_ROLE_SECONDARY);
  run_fixture_start (fixture);
  run = attachment_start_run (fixture, "run");
  never_ended = attachment_start_run (fixture, "never ended");
  attachment_add (run, "a", "1");
  run_fixture_flush (fixture);
  attachment_add (run, "b", "2");
  attachment_add (never_ended, "c", "3");
  lsobs_run_end (run, NULL);
  attachment_assert_got (fixture, "run", "a=1 b=2");
  test_server_assert_conformant (second);
  tree = test_server_build_tree (second);
  there = wire_tree_find (tree, "run");
  g_assert_cmpuint (there->attachments->len, ==, 2);
  g_assert_cmpuint (there->n_patches, ==, 1);
  g_assert_cmpstr (there->id, !=, run_fixture_find (fixture, "run")->id);
  for (guint i = 0; i < there->attachments->len; i++)
    {
      WireAttachment *attachment = g_ptr_array_index (there->attachments, i);

      g_assert_cmpstr (attachment->name, ==, i == 0 ? "a" : "b");
      g_assert_true (g_bytes_get_size (attachment->data) == 1 &&
                     *(const char *) g_bytes_get_data (attachment->data, NULL) == "12"[i]);
    }
}

static void
child_attaches (RunFixture *fixture, gpointer data)
{
  LsobsRun *inherited = data;
  g_autoptr (LsobsRun) own = attachment_start_run (fixture, "own");
  g_autoptr (GBytes) bytes = run_bytes ("2");

  /* The parent's is the parent's to tell of. */
  child_assert (lsobs_run_add_attachment (inherited, "file", "text/plain", bytes, NULL));
  child_assert (lsobs_run_add_attachment (own, "file", "text/plain", bytes, NULL));
  lsobs_run_end (own, NULL);
  fork_child_flush (fixture);
}

static void
test_fork (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (LsobsRun) run = NULL;

  if (fork_skip ())
    return;
  run = attachment_start_run (fixture, "run");
  attachment_add (run, "file", "1");
  fork_run (child_attaches, fixture, run);
  attachment_assert_got (fixture, "run", "file=1");
  attachment_assert_got (fixture, "own", "file=2");
}

/* --- files in inputs --- */

/* 48 bytes */
#define INLINE_BYTES "inline data that is long enough to be attached.."
#define PNG_HEADER   "\x89PNG\r\n\x1a\n"

static void
set_up_inline (RunFixture *fixture, gconstpointer data)
{
  run_fixture_set_up (fixture, data);
  lsobs_config_set_attach_inline_data (fixture->config, TRUE);
  lsobs_config_set_hide_inputs (fixture->config, GPOINTER_TO_INT (data));
  run_fixture_start (fixture);
}

static WireAttachment *
find_attachment (WireRun *run, const char *name)
{
  for (guint i = 0; i < run->attachments->len; i++)
    {
      WireAttachment *attachment = g_ptr_array_index (run->attachments, i);

      if (g_str_equal (attachment->name, name))
        return attachment;
    }
  g_assert_not_reached ();
}

static void
assert_attachment (WireRun *run, const char *name, const char *type, const char *data, gsize len)
{
  WireAttachment *attachment = find_attachment (run, name);

  g_assert_cmpstr (attachment->content_type, ==, type);
  g_assert_cmpmem (g_bytes_get_data (attachment->data, NULL), g_bytes_get_size (attachment->data),
                   data, len);
}

/* Returns: (transfer full): inputs with files in all forms that are known, and in others */
static JsonNode *
make_inline_inputs (const char *png)
{
  g_autofree char *base64 = g_base64_encode ((const guchar *) INLINE_BYTES, strlen (INLINE_BYTES));
  g_autofree char *text = g_strdup_printf (
      "{\"messages\":[{\"content\":[{\"image_url\":{\"url\":\"data:image/png;base64,%s\"}},"
      "{\"source\":{\"type\":\"base64\",\"media_type\":\"application/pdf\",\"data\":\"%s\"}},"
      "{\"input_audio\":{\"data\":\"%s\",\"format\":\"wav\"}}],\"images\":[\"%s\"]}],"
      "\"rest\":[\"%s\",\"data:text/plain,hello\",\"data:;base64,QUJD\",\"data:x;base64,%s?\","
      "{\"data\":\"%s\"}]}",
      base64, base64, base64, png, base64, base64, base64);

  return run_json (text);
}

/* A picture is a picture. */
static void
test_inline (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  char bytes[48] = PNG_HEADER;
  g_autofree char *png = g_base64_encode ((const guchar *) bytes, sizeof bytes);
  g_autoptr (JsonNode) inputs = make_inline_inputs (png);
  g_autoptr (LsobsRun) run =
      lsobs_observer_start_run (fixture->observer, "run", LSOBS_RUN_TYPE_LLM, inputs);
  WireRun *sent;
  g_autofree char *base64 = g_base64_encode ((const guchar *) INLINE_BYTES, strlen (INLINE_BYTES));
  g_autofree char *rest = g_strdup_printf (
      "[\"%s\",\"data:text/plain,hello\",\"data:;base64,QUJD\",\"data:x;base64,%s?\",{\"data\":\"%s\"}]",
      base64, base64, base64);

  lsobs_run_end (run, NULL);
  run_fixture_flush (fixture);
  sent = run_fixture_find (fixture, "run");
  g_assert_cmpuint (sent->attachments->len, ==, 4);
  assert_attachment (sent, "inputs-1", "image/png", INLINE_BYTES, strlen (INLINE_BYTES));
  assert_attachment (sent, "inputs-2", "application/pdf", INLINE_BYTES, strlen (INLINE_BYTES));
  assert_attachment (sent, "inputs-3", "audio/wav", INLINE_BYTES, strlen (INLINE_BYTES));
  assert_attachment (sent, "inputs-4", "image/png", bytes, sizeof bytes);
  run_assert_member (sent, "inputs.messages",
                     "[{\"content\":[{\"image_url\":{\"url\":\"attachment:inputs-1\"}},"
                     "{\"source\":{\"type\":\"base64\",\"media_type\":\"application/pdf\","
                     "\"data\":\"attachment:inputs-2\"}},"
                     "{\"input_audio\":{\"data\":\"attachment:inputs-3\",\"format\":\"wav\"}}],"
                     "\"images\":[\"attachment:inputs-4\"]}]");
  run_assert_member (sent, "inputs.rest", rest);
}

/* What is hidden does not leave as an attachment either. */
static void
test_inline_hidden (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (JsonNode) inputs = make_inline_inputs ("");
  g_autoptr (LsobsRun) run =
      lsobs_observer_start_run (fixture->observer, "run", LSOBS_RUN_TYPE_LLM, inputs);

  lsobs_run_end (run, NULL);
  run_fixture_flush (fixture);
  g_assert_cmpuint (run_fixture_find (fixture, "run")->attachments->len, ==, 0);
}

/* By default, inputs stay as they are. */
static void
test_inline_off (RunFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (JsonNode) inputs = make_inline_inputs ("");
  g_autofree char *text = json_to_string (inputs, FALSE);
  g_autoptr (LsobsRun) run =
      lsobs_observer_start_run (fixture->observer, "run", LSOBS_RUN_TYPE_LLM, inputs);

  lsobs_run_end (run, NULL);
  run_fixture_flush (fixture);
  g_assert_cmpuint (run_fixture_find (fixture, "run")->attachments->len, ==, 0);
  run_assert_member (run_fixture_find (fixture, "run"), "inputs", text);
}

/* The inputs of a run that is told by its id are inputs, too. A file takes no name that is taken. */
static void
test_inline_event (void)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new (NULL, "project");
  g_autoptr (LsobsMemoryTransport) transport = lsobs_memory_transport_new ();
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (LsobsExporter) exporter = NULL;
  g_autoptr (JsonNode) inputs =
      run_json ("{\"url\":\"data:text/plain;base64,"
                "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVpBQkNERUZHSElKS0xNTk9QUVJTVFVW\"}");
  g_autoptr (JsonNode) right = run_json ("{\"url\":\"attachment:inputs-2\"}");
  LsobsRunEvent *event = lsobs_run_event_new_start (R, NULL, "run", LSOBS_RUN_TYPE_LLM, inputs);
  g_autoptr (LsobsRunEvent) got = NULL;
  g_autoptr (GBytes) own = run_bytes ("own");
  GBytes *bytes;
  const char *type;

  lsobs_config_set_flush_interval (config, TEST_NEVER_MS);
  lsobs_config_set_attach_inline_data (config, TRUE);
  exporter = g_initable_new (LSOBS_TYPE_EXPORTER, NULL, NULL, "config", config, "transport",
                             transport, "main-context", context, NULL);
  attach_to_event (event, "inputs-1", own);
  enqueue (exporter, event);
  got = flush_event (exporter, transport, "inputs-1 inputs-2");
  g_assert_true (g_bytes_equal (lsobs_run_event_get_attachment (got, "inputs-1", NULL), own));
  bytes = lsobs_run_event_get_attachment (got, "inputs-2", &type);
  g_assert_cmpstr (type, ==, "text/plain");
  g_assert_cmpmem (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes),
                   "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJKLMNOPQRSTUV", 48);
  g_assert_true (json_node_equal (lsobs_run_event_get_inputs (got), right));
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

#define ADD(path, data, set_up, func) \
 g_test_add (path, RunFixture, data, set_up, func, run_fixture_tear_down)
  ADD ("/attachment/name/good", NULL, attachment_set_up, test_good_names);
  ADD ("/attachment/name/bad", NULL, attachment_set_up, test_bad_names);
  ADD ("/attachment/name/odd", NULL, attachment_set_up, test_odd_names);
  ADD ("/attachment/type", NULL, attachment_set_up, test_types);
  ADD ("/attachment/short-run", NULL, attachment_set_up, test_short_run);
  ADD ("/attachment/with-create", NULL, attachment_set_up, test_with_create);
  ADD ("/attachment/with-end", NULL, attachment_set_up, test_with_end);
  ADD ("/attachment/same-name", NULL, attachment_set_up, test_same_name);
  ADD ("/attachment/empty", NULL, attachment_set_up, test_empty);
  ADD ("/attachment/children", NULL, attachment_set_up, test_children);
  ADD ("/attachment/any-bytes", NULL, attachment_set_up, test_any_bytes);
  ADD ("/attachment/late", NULL, attachment_set_up, test_late);
  ADD ("/attachment/unsampled", NULL, NULL, test_unsampled);
  ADD ("/attachment/inline", GINT_TO_POINTER (FALSE), set_up_inline, test_inline);
  ADD ("/attachment/inline-hidden", GINT_TO_POINTER (TRUE), set_up_inline, test_inline_hidden);
  ADD ("/attachment/inline-off", NULL, attachment_set_up, test_inline_off);
  g_test_add_func ("/attachment/inline-event", test_inline_event);
  g_test_add_func ("/attachment/event/values", test_events);
  g_test_add_func ("/attachment/event/refusals", test_event_refusals);
  ADD ("/attachment/threads", NULL, attachment_set_up, test_threads);
  ADD ("/attachment/replicas", NULL, NULL, test_replicas);
  ADD ("/attachment/fork", NULL, attachment_set_up, test_fork);

  return g_test_run ();
}
