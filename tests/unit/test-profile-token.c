/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <glib/gstdio.h>

#include "lsobs/config/lsobs-config-private.h"

#include "tests/lib/failed-traces-helpers.h"
#include "tests/lib/profile-helpers.h"

/* A token of OAuth in the profile, which the tools of the service renew there. */

#define TOKEN     "eyJhbGciOiJub25lIn0.5ec4e7.x-_"
#define OLD_TOKEN "eyJhbGciOiJub25lIn0.0ld0ld.x-_"
#define BEARER    "Bearer " TOKEN
#define OLD       "Bearer " OLD_TOKEN
#define OAUTH(token) \
 "\"oauth\":{\"access_token\":\"" token "\",\"refresh_token\":\"r5ec4e7\"," \
 "\"expires_at\":\"2026-03-01T10:00:00Z\"}"

static void
set_up (ProfileFixture *fixture, gconstpointer data)
{
  profile_set_up (fixture, data);
  /* The requests have no key. */
  fixture->base.is_free = TRUE;
  fixture->base.config->first_pause = TEST_NEVER_MS;
}

static void
tear_down (ProfileFixture *fixture, gconstpointer data)
{
  g_autoptr (GPtrArray) requests = test_server_dup_requests (fixture->base.server);

  /* In a header, and nowhere else. */
  for (guint i = 0; i < requests->len; i++)
    {
      TestRequest *request = g_ptr_array_index (requests, i);

      g_assert_false (test_bytes_contain (request->raw_body, "5ec4e7"));
      g_assert_null (strstr (request->path, "5ec4e7"));
    }
  g_assert_false (test_log_contains ("5ec4e7"));
  g_assert_false (test_log_contains ("0ld0ld"));
  profile_tear_down (fixture, data);
}

typedef struct
{
  const char *name;
  const char *members;
} TokenRow;

static const TokenRow token_rows[] = {
  { "alone", OAUTH (TOKEN) },
  { "white", OAUTH (" " TOKEN "\\n") },
  { "quotes", OAUTH ("'" TOKEN "'") },
  { "before-key", "\"api_key\":\"lsv2_other\"," OAUTH (TOKEN) },
  { "before-others", OAUTH (TOKEN) ",\"api_key_env\":\"HOME\",\"api_key_cmd\":\"echo k\"" },
};

/* Sent with every request, the lookup what the service can do among them; and no key. */
static void
test_token (ProfileFixture *fixture, gconstpointer data)
{
  const TokenRow *row = data;
  g_autoptr (GPtrArray) requests = NULL;
  LsobsExporter *exporter;

  profile_write (fixture, "%s", row->members);
  exporter = profile_start (fixture);
  g_assert_true (lsobs_config_has_api_key (fixture->base.config));
  test_emit (exporter, "run");
  test_assert_flush (exporter, 1);
  profile_assert_sent (fixture, "Authorization", BEARER, NULL);
  requests = test_server_dup_requests (fixture->base.server);
  for (guint i = 0; i < requests->len; i++)
    {
      g_assert_cmpstr (test_request_get_header (g_ptr_array_index (requests, i), "Authorization"),
                       ==, BEARER);
      g_assert_null (test_request_get_header (g_ptr_array_index (requests, i), "x-api-key"));
    }
}

/* That of the program or of the environment goes first. */
static void
test_other_key (ProfileFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  LsobsExporter *exporter;

  profile_write (fixture, OAUTH (TOKEN));
  lsobs_config_set_api_key (fixture->base.config, TEST_KEY);
  exporter = profile_start (fixture);
  test_emit (exporter, "run");
  test_assert_flush (exporter, 1);
  profile_assert_sent (fixture, "x-api-key", TEST_KEY, NULL);
}

/* A token that would end its header is no token. */
static void
test_bad (ProfileFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;

  profile_write (fixture, OAUTH (TOKEN "\\r\\nX-Evil: 1"));
  g_assert_false (
      lsobs_config_load_profile (fixture->base.config, fixture->path, PROFILE_NAME, &error));
  g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG);
  g_assert_true (g_str_has_prefix (error->message, "oauth.access_token in "));
  g_assert_null (strstr (error->message, "5ec4e7"));
  g_assert_false (lsobs_config_has_api_key (fixture->base.config));
}

/* --- 401 --- */

/* It was renewed in the file: the same batch is sent with the new one, and so is all else. */
static void
test_renewed (ProfileFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  LsobsExporter *exporter;

  test_server_set_handler (fixture->base.server, profile_authorize,
                           (gpointer) "Authorization: " BEARER);
  lsobs_config_set_max_attempts (fixture->base.config, 1);
  profile_write (fixture, OAUTH (OLD_TOKEN));
  exporter = profile_start (fixture);
  profile_write (fixture, OAUTH (TOKEN));
  test_emit_many (exporter, 3);
  test_assert_flush (exporter, 3);
  test_emit (exporter, "later");
  test_assert_flush (exporter, 1);
  profile_assert_sent (fixture, "Authorization", OLD, BEARER, BEARER, NULL);
  g_assert_cmpuint (test_log_count (), ==, 0);
}

/* It was not: one request is enough, and the service has refused it. */
static void
test_unchanged (ProfileFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  LsobsExporter *exporter;

  test_server_set_handler (fixture->base.server, profile_authorize,
                           (gpointer) "Authorization: " BEARER);
  profile_write (fixture, OAUTH (OLD_TOKEN));
  exporter = profile_start (fixture);
  test_emit (exporter, "run");
  g_assert_false (lsobs_exporter_flush (exporter, TEST_TIMEOUT_MS, NULL, NULL));
  g_assert_cmpint (lsobs_observer_get_state (fixture->base.observer), ==, LSOBS_STATE_PAUSED);
  profile_assert_sent (fixture, "Authorization", OLD, NULL);
}

static gboolean
emit_and_look (gpointer data)
{
  test_emit (data, "run");
  return lsobs_exporter_flush (data, TEST_TIMEOUT_MS, NULL, NULL);
}

/* It is renewed some time later. */
static void
test_renewed_later (ProfileFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  LsobsExporter *exporter;

  fixture->base.config->first_pause = 20;
  test_server_set_handler (fixture->base.server, profile_authorize,
                           (gpointer) "Authorization: " BEARER);
  profile_write (fixture, OAUTH (OLD_TOKEN));
  exporter = profile_start (fixture);
  test_emit (exporter, "run");
  g_assert_false (lsobs_exporter_flush (exporter, TEST_TIMEOUT_MS, NULL, NULL));
  profile_write (fixture, OAUTH (TOKEN));
  g_assert_true (test_wait_until (emit_and_look, exporter, 2 * TEST_TIMEOUT_MS));
  g_assert_cmpint (lsobs_observer_get_state (fixture->base.observer), ==, LSOBS_STATE_OK);
}

/* Another profile, or none, is not what it was read from. */
static void
test_gone (ProfileFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  LsobsExporter *exporter;

  test_server_set_handler (fixture->base.server, profile_authorize,
                           (gpointer) "Authorization: " BEARER);
  profile_write (fixture, OAUTH (OLD_TOKEN));
  exporter = profile_start (fixture);
  profile_write (fixture, "},\"other\":{" OAUTH (TOKEN));
  test_emit (exporter, "run");
  g_assert_false (lsobs_exporter_flush (exporter, TEST_TIMEOUT_MS, NULL, NULL));
  g_assert_true (test_log_contains ("The profile " PROFILE_NAME " no longer has an OAuth token"));
  profile_assert_sent (fixture, "Authorization", OLD, NULL);
  /* Signed in again, it would go on. */
  g_assert_cmpuint (test_get_total_dropped (exporter), ==, 0);
}

/* 403 is about what the token may do: another one of the same user may do no more. */
static void
test_forbidden (ProfileFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  LsobsExporter *exporter;

  test_server_push (fixture->base.server, NULL,
                    (TestAnswer){ .status = 403, .body = "{\"detail\":\"no\"}", .repeat = -1 });
  profile_write (fixture, OAUTH (OLD_TOKEN));
  exporter = profile_start (fixture);
  profile_write (fixture, OAUTH (TOKEN));
  test_emit (exporter, "run");
  g_assert_false (lsobs_exporter_flush (exporter, TEST_TIMEOUT_MS, NULL, NULL));
  profile_assert_sent (fixture, "Authorization", OLD, NULL);
}

/* The service says the token back. */
static void
test_echo (ProfileFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;
  LsobsExporter *exporter;

  profile_write (fixture, OAUTH (TOKEN));
  test_server_push (fixture->base.server, NULL,
                    (TestAnswer){ .status = 422, .body = "bad " BEARER " bad", .repeat = -1 });
  exporter = profile_start (fixture);
  test_emit (exporter, "run");
  error = test_flush_with_loss (exporter, 1);
  g_assert_nonnull (strstr (error->message, "bad Bearer [REDACTED] bad"));
}

/* The token is for the destination of the config's own properties, not for a replica. */
static void
test_replica (ProfileFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (TestRequest) request = NULL;
  LsobsExporter *exporter;

  profile_write (fixture, OAUTH (TOKEN));
  profile_load (fixture);
  lsobs_config_add_replica (fixture->base.config, test_server_get_url (fixture->base.server), NULL,
                            NULL, NULL, LSOBS_REPLICA_ROLE_AUTO);
  exporter = test_fixture_start (&fixture->base);
  test_emit (exporter, "run");
  test_assert_flush (exporter, 1);
  request = test_get_request (fixture->base.server, 0);
  g_assert_null (test_request_get_header (request, "Authorization"));
  g_assert_null (test_request_get_header (request, "x-api-key"));
}

/* --- feedback, whose project the service has to name --- */

#define NEEDY_INFO \
 "{\"version\":\"0.18.0\",\"instance_flags\":{\"ch_query_enabled\":false,\"sdb_query_enabled\":true}}"
#define PROJECT "7f1d5a3e-0c52-4b8e-9f57-1f6f7a0e2b11"
#define COMMAND \
 "\"api_key_cmd\":\"echo x >> $DIR/runs; echo lsv2_key-$(wc -l < $DIR/runs | tr -d ' ')\""

typedef struct
{
  const char *name;
  const char *first;  /* of the profile, when the observer is made */
  const char *then;   /* (nullable) what it becomes after that */
  const char *header; /* (nullable) that the service takes */
  int n_refusals;     /* of /info; -1 for all */
  guint n_lookups;    /* for the project */
  guint n_runs;       /* of the command */
} FeedbackRow;

static const FeedbackRow feedback_rows[] = {
  { "command", COMMAND, NULL, "x-api-key: lsv2_key-1", 0, 1, 1 },
  { "command-other", COMMAND, NULL, "x-api-key: lsv2_key-2", 0, 2, 2 },
  { "command-other-info", COMMAND, NULL, "x-api-key: lsv2_key-2", 1, 1, 2 },
  { "token", OAUTH (OLD_TOKEN), OAUTH (TOKEN), "Authorization: " BEARER, 0, 2, 0 },
  { "token-info", OAUTH (OLD_TOKEN), OAUTH (TOKEN), "Authorization: " BEARER, 1, 1, 0 },
  { "refused-fixed", "\"api_key\":\"lsv2_key-1\"", NULL, NULL, 0, 1, 0 },
  { "refused-token", OAUTH (OLD_TOKEN), NULL, NULL, 0, 1, 0 },
  { "refused-info", OAUTH (OLD_TOKEN), NULL, NULL, -1, 0, 0 },
};

static gboolean
answer_cb (TestRequest *request, TestAnswer *answer, gpointer data)
{
  const FeedbackRow *row = data;

  if (row->header == NULL || profile_authorize (request, answer, (gpointer) row->header))
    {
      answer->status = 401;
      answer->body = "{\"detail\":\"Invalid token\"}";
      return TRUE;
    }
  if (!g_str_has_prefix (request->path, "/sessions"))
    return FALSE;
  answer->status = 200;
  answer->body = "[{\"id\":\"" PROJECT "\"}]";
  return TRUE;
}

static void
answer_feedback (ProfileFixture *fixture, const FeedbackRow *row)
{
  test_server_set_info (fixture->base.server, NEEDY_INFO);
  if (row->n_refusals != 0)
    test_server_push (fixture->base.server, "/info",
                      (TestAnswer){ .status = 401,
                                    .body = "{\"detail\":\"Invalid token\"}",
                                    .repeat = row->n_refusals < 0 ? -1 : 0 });
  test_server_set_handler (fixture->base.server, answer_cb, (gpointer) row);
}

static guint
count_lookups (ProfileFixture *fixture)
{
  g_autoptr (GPtrArray) requests = test_server_dup_requests (fixture->base.server);
  guint n = 0;

  for (guint i = 0; i < requests->len; i++)
    n += g_str_has_prefix (((TestRequest *) g_ptr_array_index (requests, i))->path, "/sessions");
  return n;
}

static void
add_feedback (ProfileFixture *fixture, const char *key)
{
  LsobsFeedback *feedback = lsobs_feedback_new ("019ca8bb-f15e-7b21-9d4f-6c8e30a1b2d5",
                                                "019ca8bb-f152-7a10-8c3e-5b7d2f90a1c4", key);
  g_autoptr (GError) error = NULL;

  g_assert_true (lsobs_observer_add_feedback (fixture->base.observer, feedback, &error));
  g_assert_no_error (error);
  lsobs_feedback_unref (feedback);
}

/* The lookups wait for the key, and are asked again with another one. If the key does not help,
 * the answer to the feedback says so. */
static void
test_feedback (ProfileFixture *fixture, gconstpointer data)
{
  const FeedbackRow *row = data;
  LsobsExporter *exporter;

  profile_write (fixture, "%s", row->first);
  exporter = profile_start (fixture);
  if (row->then != NULL)
    profile_write (fixture, "%s", row->then);
  answer_feedback (fixture, row);
  add_feedback (fixture, "key");
  if (row->header != NULL)
    {
      g_autoptr (GPtrArray) requests = NULL;
      TestRequest *last;

      test_assert_flush (exporter, 1);
      requests = test_server_dup_requests (fixture->base.server);
      last = g_ptr_array_index (requests, requests->len - 1);
      g_assert_true (test_bytes_contain (last->raw_body, "\"session_id\":\"" PROJECT "\""));
      /* No lookup came without the key, that for /info among them. */
      for (guint i = 0; i < requests->len && row->n_runs == 1; i++)
        g_assert_cmpstr (test_request_get_header (g_ptr_array_index (requests, i), "x-api-key"), ==,
                         "lsv2_key-1");
    }
  else
    {
      g_autoptr (GError) error = test_flush_with_loss (exporter, 1);

      g_assert_nonnull (strstr (error->message, "HTTP 401"));
      g_assert_cmpuint (test_get_dropped (exporter, LSOBS_DROP_REASON_UNAUTHORIZED), ==, 1);
    }
  g_assert_cmpuint (count_lookups (fixture), ==, row->n_lookups);
  g_assert_cmpuint (profile_count_lines (fixture, "runs"), ==, row->n_runs);
  test_server_set_handler (fixture->base.server, NULL, NULL);
}

/* A command that prints another key each time, none of which is any good: the lookups end. */
static void
test_feedback_rotates (ProfileFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const FeedbackRow row = { "rotates", COMMAND, NULL, NULL, -1, 0, 0 };
  g_autoptr (GError) error = NULL;
  LsobsExporter *exporter;

  profile_write (fixture, COMMAND);
  exporter = profile_start (fixture);
  answer_feedback (fixture, &row);
  add_feedback (fixture, "key");
  error = test_flush_with_loss (exporter, 1);
  g_assert_nonnull (strstr (error->message, "HTTP 401"));
  g_assert_cmpuint (test_get_dropped (exporter, LSOBS_DROP_REASON_UNAUTHORIZED), ==, 1);
  g_assert_cmpuint (profile_count_lines (fixture, "runs"), <=, 4);
  test_server_set_handler (fixture->base.server, NULL, NULL);
}

/* The command fails: the flush says so, and no lookup goes without the key. */
static void
test_feedback_no_key (ProfileFixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  static const FeedbackRow row = { "none", COMMAND, NULL, "x-api-key: lsv2_key-1", 0, 0, 0 };
  g_autoptr (GError) error = NULL;
  LsobsExporter *exporter;

  profile_write (fixture, "\"api_key_cmd\":\"exit 3\"");
  exporter = profile_start (fixture);
  answer_feedback (fixture, &row);
  add_feedback (fixture, "key");
  g_assert_false (lsobs_exporter_flush (exporter, TEST_TIMEOUT_MS, NULL, &error));
  g_assert_nonnull (strstr (error->message, "(api_key_cmd) failed"));
  g_assert_cmpuint (count_lookups (fixture), ==, 0);
  test_server_set_handler (fixture->base.server, NULL, NULL);
}

/* --- the spool --- */

#define WORKSPACE   "11111111-2222-4333-8444-555555555555"
#define JWT(claims) OAUTH ("eyJhbGciOiJub25lIn0." claims ".x-_")
#define PRINT(key)  "\"api_key_cmd\":\"echo " key "\""

typedef struct
{
  const char *name;
  const char *before; /* members of the profile when the spool is filled */
  const char *after;  /* when it is sent */
  gboolean has_workspace;
  gboolean is_sent;
} SpoolRow;

static const SpoolRow spool_rows[] = {
  { .name = "command/same",
    .before = PRINT ("lsv2_first"),
    .after = PRINT ("  lsv2_first"),
    .is_sent = TRUE },
  { .name = "command/other", .before = PRINT ("lsv2_first"), .after = PRINT ("lsv2_second") },
  { .name = "command/as-key",
    .before = PRINT ("lsv2_first"),
    .after = "\"api_key\":\"lsv2_first\"",
    .is_sent = TRUE },
  /* {"sub":"user-1","n":1} and {"sub":"user-1","n":2} */
  { .name = "token/renewed",
    .before = JWT ("eyJzdWIiOiJ1c2VyLTEiLCJuIjoxfQ"),
    .after = JWT ("eyJzdWIiOiJ1c2VyLTEiLCJuIjoyfQ"),
    .is_sent = TRUE },
  /* {"sub":"user-2","n":1} */
  { .name = "token/other",
    .before = JWT ("eyJzdWIiOiJ1c2VyLTEiLCJuIjoxfQ"),
    .after = JWT ("eyJzdWIiOiJ1c2VyLTIiLCJuIjoxfQ") },
  { .name = "token/unknown", .before = OAUTH (OLD_TOKEN), .after = OAUTH (TOKEN) },
  { .name = "token/workspace",
    .before = OAUTH (OLD_TOKEN),
    .after = OAUTH (TOKEN),
    .has_workspace = TRUE,
    .is_sent = TRUE },
};

/* What waits in the spool goes to the account that it was for, and to no other. */
static void
test_spool (ProfileFixture *fixture, gconstpointer data)
{
  const SpoolRow *row = data;
  g_autofree char *dir = g_build_filename (fixture->dir, "spool", NULL);
  g_auto (TestResult) result = TEST_RESULT_INIT;
  g_autoptr (GPtrArray) names = NULL;
  g_autoptr (GError) error = NULL;
  LsobsExporter *exporter;

  lsobs_config_set_spool_dir (fixture->base.config, dir);
  lsobs_config_set_workspace_id (fixture->base.config, row->has_workspace ? WORKSPACE : NULL);
  test_server_push (fixture->base.server, NULL, (TestAnswer){ .status = 401, .repeat = -1 });
  profile_write (fixture, "%s", row->before);
  exporter = profile_start (fixture);
  test_emit (exporter, "run");
  g_assert_false (lsobs_exporter_flush (exporter, TEST_TIMEOUT_MS, NULL, NULL));
  g_assert_true (test_wait_counter (exporter, LSOBS_COUNTER_SPOOLED, 1));
  test_fixture_stop (&fixture->base);
  test_server_clear (fixture->base.server);

  /* A profile does not replace a key that is there. */
  lsobs_config_set_api_key (fixture->base.config, NULL);
  profile_write (fixture, "%s", row->after);
  exporter = profile_start (fixture);
  lsobs_exporter_drain_spool_async (exporter, NULL, test_result_cb, &result);
  lsobs_exporter_drain_spool_finish (exporter, test_result_wait (&result), NULL, NULL, &error);
  g_assert_no_error (error);
  names = failed_traces_list (dir);
  g_assert_cmpuint (names->len, ==, row->is_sent ? 0 : 1);
  g_assert_cmpuint (test_server_count_ops (fixture->base.server), ==, row->is_sent ? 1 : 0);
}

#define ADD(name, func) \
 g_test_add ("/profile-token/" name, ProfileFixture, NULL, set_up, func, tear_down)

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  test_log_install ();

  for (guint i = 0; i < G_N_ELEMENTS (token_rows); i++)
    {
      g_autofree char *path = g_strconcat ("/profile-token/token/", token_rows[i].name, NULL);

      g_test_add (path, ProfileFixture, &token_rows[i], set_up, test_token, tear_down);
    }
  ADD ("other-key", test_other_key);
  ADD ("bad", test_bad);
  ADD ("renewed", test_renewed);
  ADD ("unchanged", test_unchanged);
  ADD ("renewed-later", test_renewed_later);
  ADD ("gone", test_gone);
  ADD ("forbidden", test_forbidden);
  ADD ("echo", test_echo);
  ADD ("replica", test_replica);
  for (guint i = 0; i < G_N_ELEMENTS (feedback_rows); i++)
    {
      g_autofree char *path = g_strconcat ("/profile-token/feedback/", feedback_rows[i].name, NULL);

      g_test_add (path, ProfileFixture, &feedback_rows[i], set_up, test_feedback, tear_down);
    }
  for (guint i = 0; i < G_N_ELEMENTS (spool_rows); i++)
    {
      g_autofree char *path = g_strconcat ("/profile-token/spool/", spool_rows[i].name, NULL);

      g_test_add (path, ProfileFixture, &spool_rows[i], set_up, test_spool, tear_down);
    }
  ADD ("feedback/rotates", test_feedback_rotates);
  ADD ("feedback/no-key", test_feedback_no_key);

  return profile_run_tests ();
}
