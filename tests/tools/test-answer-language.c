/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Answers of the service are in English, and its log is in the language of the user. Run alone, the user
 * speaks English; test-locale.sh runs it for users of another language. */

#include "config.h"

#include <libintl.h>
#include <locale.h>
#include <string.h>

#include "tests/lib/test-utils.h"
#include "tests/tools/store-helpers.h"
#include "tools/service/routes.h"
#include "tools/service/worker.h"
#include "tools/store/project.h"

#define DOMAIN "lsobs"
#define RUN    "01900000-0000-7000-8000-000000000001"

static char *logged = NULL;

static void
log_cb (const char *domain G_GNUC_UNUSED,
        GLogLevelFlags level G_GNUC_UNUSED,
        const char *message,
        gpointer data G_GNUC_UNUSED)
{
  g_free (logged);
  logged = g_strdup (message);
}

/* What the user reads in place of @english. */
static const char *translate (const char *english) G_GNUC_FORMAT (1);

static const char *
translate (const char *english)
{
  const char *translation = g_dgettext (DOMAIN, english);

  if (g_getenv ("LSOBS_TEST_LANGUAGE") != NULL)
    g_assert_cmpstr (translation, !=, english);
  else
    g_assert_cmpstr (translation, ==, english);
  return translation;
}

static void
done_cb (Request *request G_GNUC_UNUSED, gpointer data)
{
  *(gboolean *) data = TRUE;
}

/* Returns: (transfer full): the answer, in full */
static char *
ask (Worker *worker, const char *method, const char *path, const char *body, guint status)
{
  g_autoptr (Request) request = g_new0 (Request, 1);
  gboolean is_done = FALSE;
  gboolean other_method;

  request->path = g_strdup (path);
  request->body = g_bytes_new (body, strlen (body));
  request->done = done_cb;
  request->done_data = &is_done;
  request->route = routes_find (request, method, &other_method);
  g_assert_nonnull (request->route);
  worker_push (worker, request);
  while (!is_done)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (request->status, ==, status);
  return g_strndup (request->answer.data, request->answer.len);
}

static void
assert_own_language (const char *database)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Store) store = store_open (database, DATABASE_READ_ONLY, &error);
  g_autofree char *expected = NULL;

  g_assert_no_error (error);
  g_assert_null (project_load_name (store, "x", &error));
  expected = g_strdup_printf (translate ("There is no project “%s”"), "x");
  g_assert_cmpstr (error->message, ==, expected);
}

static void
test_answers (void)
{
  static const char batch[] =
      "{\"post\":[{\"id\":\"" RUN "\",\"name\":\"n\"},{\"id\":\"x\"}],\"patch\":[]}";
  const WorkerLimits limits = { 0 };
  g_autofree char *folder = g_dir_make_tmp ("lsobs-language-XXXXXX", NULL);
  g_autofree char *database = g_build_filename (folder, "traces.db", NULL);
  g_autofree char *missing = NULL;
  g_autofree char *malformed = NULL;
  g_autofree char *batched = NULL;
  g_autofree char *cursor = NULL;
  g_autofree char *head = NULL;
  g_autoptr (GError) error = NULL;
  GLogFunc old;
  Worker *worker = worker_new (database, &limits, NULL, &error);

  g_assert_no_error (error);
  /* each thread that makes answers: the one that reads, ... */
  missing = ask (worker, "GET", "/sessions/" RUN, "", 404);
  g_assert_nonnull (strstr (missing, "There is no project"));
  cursor = ask (worker, "POST", "/runs/query", "{\"cursor\":\"x\"}", 400);
  g_assert_nonnull (strstr (cursor, "The cursor is not one that a list has returned"));
  /* ... the one that writes, ... */
  g_free (missing);
  missing = ask (worker, "DELETE", "/feedback/" RUN, "", 404);
  g_assert_nonnull (strstr (missing, "There is no feedback"));
  /* ... and the one that reads bodies */
  malformed = ask (worker, "POST", "/runs", "{\"id\":7}", 422);
  g_assert_nonnull (strstr (malformed, "is malformed"));
  old = g_log_set_default_handler (log_cb, NULL);
  batched = ask (worker, "POST", "/runs/batch", batch, 202);
  g_log_set_default_handler (old, NULL);
  g_assert_nonnull (strstr (batched, "is malformed"));
  head =
      g_strdup_printf (translate ("Parts of a request that were left out: %u; the first one is %s"),
                       1, "post[1]");
  g_assert_true (g_str_has_prefix (logged, head));
  assert_own_language (database);
  worker_free (worker);
  test_remove_folder (folder);
  g_free (logged);
}

int
main (int argc, char **argv)
{
  const char *translations = g_getenv ("LSOBS_TEST_TRANSLATIONS");

  g_assert_nonnull (setlocale (LC_ALL, ""));
  if (translations != NULL)
    {
      bindtextdomain (DOMAIN, translations);
      bind_textdomain_codeset (DOMAIN, "UTF-8");
    }
  textdomain (DOMAIN);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/answer-language/answers", test_answers);
  return g_test_run ();
}
