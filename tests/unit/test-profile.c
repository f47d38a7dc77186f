/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "lsobs/config/lsobs-config-private.h"
#include "lsobs/lsobs-error.h"
#include "lsobs/lsobs-observer.h"

#include "tests/lib/test-helpers.h"
#include "tests/lib/test-utils.h"

#define KEY       "lsv2_pt_5ec4e7"
#define OTHER_KEY "lsv2_pt_0th3r"
#define URL       "https://eu.api.smith.langchain.com"
#define WORKSPACE "11111111-2222-4333-8444-555555555555"

#define PROFILE(url, key, workspace) \
 "{\"api_url\":\"" url "\",\"api_key\":\"" key "\",\"workspace_id\":\"" workspace "\"}"
#define FULL              PROFILE (URL, KEY, WORKSPACE)
#define FILE_OF(profiles) "{\"profiles\":{" profiles "}}"

/* A directory of one's own that is the home directory, too. */
static char *home;

typedef struct
{
  char *path; /* (owned) a file that is not there yet */
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  fixture->path = g_build_filename (home, "settings.json", NULL);
  test_log_clear ();
}

static void
tear_down (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_remove (fixture->path);
  g_free (fixture->path);
  /* Nobody is told what is in the file. */
  g_assert_false (test_log_contains ("5ec4e7"));
  /* That a file is broken is said once. */
  if (test_log_count () != 0)
    g_assert_true (test_log_contains ("The profiles in "));
  g_assert_cmpuint (test_log_count (), <=, 1);
}

static void
write_bytes (const char *path, const char *text, gsize len)
{
  g_autoptr (GError) error = NULL;

  g_file_set_contents (path, text, (gssize) len, &error);
  g_assert_no_error (error);
}

static LsobsConfig *
load (const char *path, const char *name)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new (NULL, NULL);
  g_autoptr (GError) error = NULL;

  g_assert_true (lsobs_config_load_profile (config, path, name, &error));
  g_assert_no_error (error);
  return g_steal_pointer (&config);
}

/* NULL for what the config has by itself */
static void
assert_config (LsobsConfig *config, const char *url, const char *key, const char *workspace)
{
  g_assert_cmpstr (lsobs_config_get_api_url (config), ==,
                   url != NULL ? url : "https://api.smith.langchain.com");
  g_assert_cmpstr (config->values.api_key, ==, key);
  g_assert_cmpstr (lsobs_config_get_workspace_id (config), ==, workspace);
}

static void
assert_nothing (const char *path, const char *name)
{
  g_autoptr (LsobsConfig) config = load (path, name);

  assert_config (config, NULL, NULL, NULL);
}

/* What is found in which file */

typedef struct
{
  const char *path;
  const char *text;
  const char *name;      /* (nullable) */
  const char *url;       /* (nullable) */
  const char *key;       /* (nullable) */
  const char *workspace; /* (nullable) */
} FileRow;

static const FileRow file_rows[] = {
  { "default", FILE_OF ("\"default\":" FULL), NULL, URL, KEY, WORKSPACE },
  { "current", "{\"current_profile\":\"work\",\"profiles\":{\"default\":{},\"work\":" FULL "}}",
    NULL, URL, KEY, WORKSPACE },
  { "current-last",
    "{\"profiles\":{\"work\":" FULL ",\"default\":{}},\"current_profile\":\"work\"}", NULL, URL,
    KEY, WORKSPACE },
  { "current-white", "{\"current_profile\":\" \",\"profiles\":{\"default\":" FULL "}}", NULL, URL,
    KEY, WORKSPACE },
  { "current-number", "{\"current_profile\":7,\"profiles\":{\"default\":" FULL "}}", NULL, URL, KEY,
    WORKSPACE },
  { "current-missing", "{\"current_profile\":\"gone\",\"profiles\":{\"default\":" FULL "}}", NULL,
    NULL, NULL, NULL },
  { "named", "{\"current_profile\":\"x\",\"profiles\":{\"x\":{},\"default\":{},\"work\":" FULL "}}",
    "work", URL, KEY, WORKSPACE },
  { "named-missing",
    "{\"current_profile\":\"x\",\"profiles\":{\"x\":" FULL ",\"default\":" FULL "}}", "work", NULL,
    NULL, NULL },
  { "named-empty", FILE_OF ("\"\":" FULL), "", URL, KEY, WORKSPACE },
  { "named-bytes", FILE_OF ("\"default\":" FULL), "\xff\xfe", NULL, NULL, NULL },
  { "named-prefix", FILE_OF ("\"work2\":" FULL ",\"wor\":" FULL), "work", NULL, NULL, NULL },
  { "named-unicode", FILE_OF ("\"b\\u00fcro\":" FULL), "büro", URL, KEY, WORKSPACE },

  { "url-alone", FILE_OF ("\"default\":{\"api_url\":\"" URL "\"}"), NULL, URL, NULL, NULL },
  { "key-alone", FILE_OF ("\"default\":{\"api_key\":\"" KEY "\"}"), NULL, NULL, KEY, NULL },
  { "workspace-alone", FILE_OF ("\"default\":{\"workspace_id\":\"" WORKSPACE "\"}"), NULL, NULL,
    NULL, WORKSPACE },
  { "oauth",
    FILE_OF ("\"default\":{\"api_url\":\"" URL "\",\"oauth\":{\"access_token\":\"" KEY "\","
             "\"refresh_token\":\"r\",\"expires_at\":\"2026-03-01T10:00:00Z\"}}"),
    NULL, URL, NULL, NULL },
  { "env", FILE_OF ("\"default\":{\"api_key_env\":\"LSOBS_TEST_KEY\"}"), NULL, NULL, KEY, NULL },
  { "env-quoted", FILE_OF ("\"default\":{\"api_key_env\":\" 'LSOBS_TEST_KEY' \"}"), NULL, NULL, KEY,
    NULL },
  { "env-padded", FILE_OF ("\"default\":{\"api_key_env\":\"LSOBS_TEST_PADDED\"}"), NULL, NULL,
    " '" KEY "'\n", NULL },
  { "env-second",
    FILE_OF ("\"default\":{\"api_key_env\":\"LSOBS_TEST_KEY\",\"api_key\":\"" OTHER_KEY "\"}"),
    NULL, NULL, OTHER_KEY, NULL },
  { "env-before-command",
    FILE_OF ("\"default\":{\"api_key_env\":\"LSOBS_TEST_KEY\",\"api_key_cmd\":\"echo x\"}"), NULL,
    NULL, KEY, NULL },
  { "env-unset", FILE_OF ("\"default\":{\"api_key_env\":\"LSOBS_TEST_UNSET\"}"), NULL, NULL, NULL,
    NULL },
  { "env-white", FILE_OF ("\"default\":{\"api_key_env\":\"LSOBS_TEST_WHITE\"}"), NULL, NULL, NULL,
    NULL },
  { "env-equals", FILE_OF ("\"default\":{\"api_key_env\":\"LSOBS_TEST_KEY=\"}"), NULL, NULL, NULL,
    NULL },
  { "env-empty", FILE_OF ("\"default\":{\"api_key_env\":\"\"}"), NULL, NULL, NULL, NULL },
  { "env-number", FILE_OF ("\"default\":{\"api_key_env\":7,\"api_key_cmd\":[\"echo\"]}"), NULL,
    NULL, NULL, NULL },
  { "nested", FILE_OF ("\"default\":{\"oauth\":" FULL ",\"x\":[" FULL "]}"), NULL, NULL, NULL,
    NULL },
  { "outside", "{\"api_key\":\"" KEY "\",\"default\":" FULL ",\"profiles\":{}}", NULL, NULL, NULL,
    NULL },
  { "between",
    FILE_OF ("\"default\":{\"a\":[1,{\"b\":\"}]\\\"\"},-2.5e3],\"api_key\":\"" KEY "\",\"z\":{}}"),
    NULL, NULL, KEY, NULL },
  { "escaped",
    FILE_OF ("\"default\":{\"api\\u005fkey\":\"lsv2\\u005fpt_5ec4e7\","
             "\"api_url\":\"https:\\/\\/eu.api.smith.langchain.com\"}"),
    NULL, URL, KEY, NULL },
  { "twice", FILE_OF ("\"default\":{\"api_key\":\"" OTHER_KEY "\",\"api_key\":\"" KEY "\"}"), NULL,
    NULL, KEY, NULL },
  { "spaced",
    "\xef\xbb\xbf\n{ \"profiles\" :\t{\r\n \"default\" : { \"api_key\" : \"" KEY "\" } } }\n\n",
    NULL, NULL, KEY, NULL },
  { "types",
    FILE_OF ("\"default\":{\"api_url\":7,\"api_key\":[\"" KEY "\"],\"workspace_id\":null}"), NULL,
    NULL, NULL, NULL },
  { "types-2", FILE_OF ("\"default\":{\"api_url\":{},\"api_key\":true,\"workspace_id\":1e9}"), NULL,
    NULL, NULL, NULL },
  { "white",
    FILE_OF ("\"default\":{\"api_url\":\"\",\"api_key\":\" \\t\\n\",\"workspace_id\":\" \"}"), NULL,
    NULL, NULL, NULL },
  { "profile-number", FILE_OF ("\"default\":7"), NULL, NULL, NULL, NULL },
  { "profile-null", FILE_OF ("\"default\":null"), NULL, NULL, NULL, NULL },
  { "profile-text", FILE_OF ("\"default\":\"api_key\""), NULL, NULL, NULL, NULL },
  { "profile-array", FILE_OF ("\"default\":[" FULL "]"), NULL, NULL, NULL, NULL },
  { "profiles-array", "{\"profiles\":[{\"default\":" FULL "}]}", NULL, NULL, NULL, NULL },
  { "profiles-missing", "{\"current_profile\":\"default\"}", NULL, NULL, NULL, NULL },
  { "profiles-twice", "{\"profiles\":{},\"profiles\":{\"default\":" FULL "}}", NULL, URL, KEY,
    WORKSPACE },

  { "empty", "", NULL, NULL, NULL, NULL },
  { "space", " \n", NULL, NULL, NULL, NULL },
  { "null", "null", NULL, NULL, NULL, NULL },
  { "array", "[" FULL "]", NULL, NULL, NULL, NULL },
  { "text", "\"" KEY "\"", NULL, NULL, NULL, NULL },
  { "number", "12", NULL, NULL, NULL, NULL },
  { "object", "{}", NULL, NULL, NULL, NULL },
  { "words", "api_key = " KEY "\n", NULL, NULL, NULL, NULL },
  { "cut", "{\"profiles\":{\"default\":{\"api_key\":\"" KEY "\"", NULL, NULL, NULL, NULL },
  { "rest", FILE_OF ("\"default\":" FULL) "}", NULL, NULL, NULL, NULL },
  { "comma", FILE_OF ("\"default\":" FULL ","), NULL, NULL, NULL, NULL },
  { "mixed", "{\"profiles\":{\"default\":{\"api_key\":\"" KEY "\"}]}", NULL, NULL, NULL, NULL },
};

static void
test_file (Fixture *fixture, gconstpointer data)
{
  const FileRow *row = data;
  g_autoptr (LsobsConfig) config = NULL;

  write_bytes (fixture->path, row->text, strlen (row->text));
  config = load (fixture->path, row->name);
  assert_config (config, row->url, row->key, row->workspace);
}

/* Values that make no sense */

typedef struct
{
  const char *path;
  const char *profile;
  const char *member;
} BadRow;

static const BadRow bad_rows[] = {
  { "url-word", PROFILE ("hello-5ec4e7", KEY, WORKSPACE), "api_url" },
  { "url-key", PROFILE (KEY, KEY, WORKSPACE), "api_url" },
  { "url-password", PROFILE ("https://user:" KEY "@traces.example.com", KEY, WORKSPACE),
    "api_url" },
  { "url-plain", PROFILE ("http://traces.example.com", KEY, WORKSPACE), "api_url" },
  { "url-bytes", PROFILE ("https://traces.example.com/\xff", KEY, WORKSPACE), "api_url" },
  { "key-header", PROFILE (URL, KEY "\\r\\nX-Evil: 1", WORKSPACE), "api_key" },
  { "key-two", PROFILE (URL, KEY " " KEY, WORKSPACE), "api_key" },
  { "key-nul", PROFILE (URL, KEY "\\u0000", WORKSPACE), "api_key" },
  { "workspace-word", PROFILE (URL, KEY, "5ec4e7"), "workspace_id" },
  { "workspace-key", PROFILE (URL, KEY, KEY), "workspace_id" },
};

static void
test_bad (Fixture *fixture, gconstpointer data)
{
  const BadRow *row = data;
  g_autoptr (LsobsConfig) config = lsobs_config_new (NULL, NULL);
  g_autoptr (GError) error = NULL;
  g_autofree char *text = g_strconcat ("{\"profiles\":{\"default\":", row->profile, "}}", NULL);
  g_autofree char *prefix = g_strconcat (row->member, " in ", fixture->path, ": ", NULL);

  write_bytes (fixture->path, text, strlen (text));
  g_assert_false (lsobs_config_load_profile (config, fixture->path, NULL, &error));
  g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG);
  g_assert_true (g_str_has_prefix (error->message, prefix));
  g_assert_null (strstr (error->message, "5ec4e7"));
  assert_config (config, NULL, NULL, NULL);
  g_assert_false (lsobs_config_load_profile (config, fixture->path, NULL, NULL));
}

/* A variable that has no key, or nothing that can be one. Its name is not in the message:
 * people paste keys into the wrong member. */
static void
test_env_wrong (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  const char *text = FILE_OF ("\"default\":{\"api_key_env\":\"lsv2_pt_5ec4e7\"},"
                              "\"bad\":{\"api_key_env\":\"LSOBS_TEST_BAD\"}");
  g_autoptr (LsobsConfig) config = NULL;
  g_autoptr (LsobsObserver) observer = NULL;
  g_autoptr (GError) error = NULL;

  write_bytes (fixture->path, text, strlen (text));
  config = load (fixture->path, NULL);
  g_assert_false (lsobs_config_has_api_key (config));
  observer = lsobs_observer_new (config, &error);
  g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG);
  g_assert_nonnull (strstr (error->message, "profile default"));
  g_assert_nonnull (strstr (error->message, "api_key_env"));
  g_assert_null (strstr (error->message, "5ec4e7"));

  /* A destination on this machine needs no key, nor does a program that traces nothing. */
  g_clear_error (&error);
  lsobs_config_set_api_url (config, "http://127.0.0.1:9");
  observer = lsobs_observer_new (config, &error);
  g_assert_no_error (error);
  g_clear_object (&observer);
  lsobs_config_set_api_url (config, URL);
  lsobs_config_set_tracing_enabled (config, FALSE);
  observer = lsobs_observer_new (config, &error);
  g_assert_no_error (error);

  g_assert_false (lsobs_config_load_profile (config, fixture->path, "bad", &error));
  g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG);
  g_assert_true (g_str_has_prefix (error->message, "api_key_env in "));
  g_assert_null (strstr (error->message, "5ec4e7"));
}

/* The name of a profile is whatever its user likes. */
static void
test_label (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  const char *text = FILE_OF ("\"b\\u00fcro\\u001b[0m\\n\":{\"api_key_env\":\"LSOBS_TEST_UNSET\"}");
  g_autoptr (LsobsConfig) config = NULL;
  g_autoptr (LsobsObserver) observer = NULL;
  g_autoptr (GError) error = NULL;

  write_bytes (fixture->path, text, strlen (text));
  config = load (fixture->path, "büro\033[0m\n");
  observer = lsobs_observer_new (config, &error);
  g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG);
  g_assert_nonnull (strstr (error->message, "profile büro?[0m? "));
}

/* An unused value is not checked. */
static void
test_bad_unused (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  const char *text = FILE_OF ("\"default\":" PROFILE ("hello", KEY "\\n" KEY, "word"));
  g_autoptr (LsobsConfig) config = lsobs_config_new (OTHER_KEY, NULL);
  g_autoptr (GError) error = NULL;

  write_bytes (fixture->path, text, strlen (text));
  lsobs_config_set_api_url (config, URL);
  lsobs_config_set_workspace_id (config, WORKSPACE);
  lsobs_config_load_profile (config, fixture->path, NULL, &error);
  g_assert_no_error (error);
  assert_config (config, URL, OTHER_KEY, WORKSPACE);
}

/* Other settings of the program are not blamed on the profile. */
static void
test_bad_config (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  const char *text = FILE_OF ("\"default\":" PROFILE ("http://traces.example.com", KEY, WORKSPACE));
  g_autoptr (LsobsConfig) config = lsobs_config_new (NULL, NULL);
  g_autoptr (GError) error = NULL;

  write_bytes (fixture->path, text, strlen (text));
  lsobs_config_set_sampling_rate (config, 7.0);
  lsobs_config_set_allow_plain_http (config, TRUE);
  lsobs_config_load_profile (config, fixture->path, NULL, &error);
  g_assert_no_error (error);
  assert_config (config, "http://traces.example.com", KEY, WORKSPACE);
}

/* What the program says goes first */

static void
test_set_before (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  const char *text = FILE_OF ("\"default\":" FULL);
  const char *other_workspace = "99999999-2222-4333-8444-555555555555";
  g_autoptr (LsobsConfig) config = lsobs_config_new (OTHER_KEY, "project");

  write_bytes (fixture->path, text, strlen (text));
  /* The key is the program's; the rest of the profile still counts. */
  g_assert_true (lsobs_config_load_profile (config, fixture->path, NULL, NULL));
  assert_config (config, URL, OTHER_KEY, WORKSPACE);
  g_assert_cmpstr (lsobs_config_get_project_name (config), ==, "project");

  /* Even if it is what it would have been. */
  g_clear_object (&config);
  config = lsobs_config_new (NULL, NULL);
  lsobs_config_set_api_url (config, "https://api.smith.langchain.com");
  lsobs_config_set_workspace_id (config, other_workspace);
  g_assert_true (lsobs_config_load_profile (config, fixture->path, NULL, NULL));
  assert_config (config, NULL, KEY, other_workspace);

  g_clear_object (&config);
  config = g_object_new (LSOBS_TYPE_CONFIG, "api-url", "https://traces.example.com", NULL);
  g_assert_true (lsobs_config_load_profile (config, fixture->path, NULL, NULL));
  assert_config (config, "https://traces.example.com", KEY, WORKSPACE);

  /* And what it says later goes over it. */
  lsobs_config_set_api_url (config, URL "/x");
  lsobs_config_set_api_key (config, OTHER_KEY);
  g_assert_true (lsobs_config_load_profile (config, fixture->path, NULL, NULL));
  assert_config (config, URL "/x", OTHER_KEY, WORKSPACE);

  /* What is nothing leaves room. */
  lsobs_config_set_api_key (config, " \"\" ");
  g_assert_true (lsobs_config_load_profile (config, fixture->path, NULL, NULL));
  assert_config (config, URL "/x", KEY, WORKSPACE);

  /* To take it back makes room again. */
  lsobs_config_set_api_url (config, NULL);
  lsobs_config_set_api_key (config, NULL);
  g_assert_true (lsobs_config_load_profile (config, fixture->path, NULL, NULL));
  assert_config (config, URL, KEY, WORKSPACE);
}

/* The file in the home directory */

static void
test_home (Fixture *fixture G_GNUC_UNUSED, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *dir = g_build_filename (home, ".langsmith", NULL);
  g_autofree char *path = g_build_filename (dir, "config.json", NULL);
  const char *text = FILE_OF ("\"default\":" FULL ",\"bad\":{\"api_url\":\"hello\"}");
  g_autoptr (LsobsConfig) config = NULL;
  g_autoptr (GError) error = NULL;

  assert_nothing (NULL, NULL);
  g_assert_cmpint (g_mkdir (dir, 0700), ==, 0);
  assert_nothing (NULL, NULL);
  write_bytes (path, text, strlen (text));
  config = load (NULL, NULL);
  assert_config (config, URL, KEY, WORKSPACE);
  g_clear_object (&config);

  config = lsobs_config_new (NULL, NULL);
  g_assert_false (lsobs_config_load_profile (config, NULL, "bad", &error));
  g_assert_nonnull (strstr (error->message, path));
  g_remove (path);
  g_rmdir (dir);
}

/* What is no file, or no fitting one */

static void
test_missing (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *below = g_build_filename (fixture->path, "config.json", NULL);
  const char *text = FILE_OF ("\"default\":" FULL);

  assert_nothing (fixture->path, NULL);
  assert_nothing (below, NULL);
  assert_nothing ("", NULL);
  assert_nothing (home, NULL);
  assert_nothing ("/dev/null", NULL);
  assert_nothing ("/dev/zero", NULL);
  write_bytes (fixture->path, text, strlen (text));
  assert_nothing (below, NULL);
}

static void
test_pipe (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  const char *text = FILE_OF ("\"default\":" FULL);
  int fd;

  g_assert_cmpint (mkfifo (fixture->path, 0600), ==, 0);
  /* Without a writer, and with a writer that has already written. */
  assert_nothing (fixture->path, NULL);
  fd = open (fixture->path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpint (write (fd, text, strlen (text)), ==, (gssize) strlen (text));
  assert_nothing (fixture->path, NULL);
  close (fd);
}

static void
test_link (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *target = g_build_filename (home, "target.json", NULL);
  const char *text = FILE_OF ("\"default\":" FULL);
  g_autoptr (LsobsConfig) config = NULL;

  write_bytes (target, text, strlen (text));
  g_assert_cmpint (symlink (target, fixture->path), ==, 0);
  config = load (fixture->path, NULL);
  assert_config (config, URL, KEY, WORKSPACE);
  g_remove (target);
  assert_nothing (fixture->path, NULL);
}

static void
test_unreadable (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  const char *text = FILE_OF ("\"default\":" FULL);

  write_bytes (fixture->path, text, strlen (text));
  g_assert_cmpint (g_chmod (fixture->path, 0), ==, 0);
  if (g_access (fixture->path, R_OK) == 0)
    g_test_skip ("root may read everything");
  else
    assert_nothing (fixture->path, NULL);
}

/* @len in all, mostly white space */
static void
write_padded (const char *path, const char *text, gsize len)
{
  g_autofree char *padded = g_malloc (len);

  memset (padded, ' ', len);
  memcpy (padded, text, strlen (text));
  write_bytes (path, padded, len);
}

static void
test_size (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  const char *text = FILE_OF ("\"default\":" FULL);
  g_autoptr (LsobsConfig) config = NULL;

  write_padded (fixture->path, text, 1024 * 1024);
  config = load (fixture->path, NULL);
  assert_config (config, URL, KEY, WORKSPACE);
  write_padded (fixture->path, text, 1024 * 1024 + 1);
  assert_nothing (fixture->path, NULL);
  /* A file with a hole of a terabyte costs nothing but its name. */
  if (truncate (fixture->path, (off_t) 1 << 40) == 0)
    assert_nothing (fixture->path, NULL);
}

/* Deeper than a parser with a stack survives. */
static void
test_depth (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  const gsize depth = 200000;
  g_autoptr (GString) text = g_string_new ("{\"x\":");
  g_autoptr (LsobsConfig) config = NULL;

  for (gsize i = 0; i < depth; i++)
    g_string_append_c (text, '[');
  write_bytes (fixture->path, text->str, text->len);
  assert_nothing (fixture->path, NULL);
  for (gsize i = 0; i < depth; i++)
    g_string_append_c (text, ']');
  g_string_append (text, ",\"profiles\":{\"default\":" FULL "}}");
  write_bytes (fixture->path, text->str, text->len);
  config = load (fixture->path, NULL);
  assert_config (config, URL, KEY, WORKSPACE);
}

/* Any bytes, and every beginning of a file that is right. */
static void
test_garbage (Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
  const char *text = FILE_OF ("\"default\":" FULL);
  char bytes[256];

  for (gsize len = 0; len < strlen (text); len++)
    {
      write_bytes (fixture->path, text, len);
      assert_nothing (fixture->path, NULL);
    }
  for (guint i = 0; i < 200; i++)
    {
      for (guint j = 0; j < sizeof bytes; j++)
        bytes[j] = (char) g_test_rand_int_range (0, 256);
      /* Half of them begin like JSON. */
      if (i % 2 == 0)
        memcpy (bytes, "{\"profiles\":{\"default\":{\"api_key\":\"", 36);
      write_bytes (fixture->path, bytes, sizeof bytes);
      assert_nothing (fixture->path, NULL);
    }
}

#define ADD(name, data, func) g_test_add (name, Fixture, data, set_up, func, tear_down)
#define ADD_ROWS(prefix, rows, func) \
 TEST_ADD_FIXTURE_ROWS (prefix, rows, path, Fixture, set_up, func, tear_down)

int
main (int argc, char *argv[])
{
  int result;

  g_test_init (&argc, &argv, NULL);
  test_log_install ();
  home = g_dir_make_tmp ("lsobs-XXXXXX", NULL);
  g_assert_nonnull (home);
  g_setenv ("HOME", home, TRUE);
  g_setenv ("LSOBS_TEST_KEY", KEY, TRUE);
  g_setenv ("LSOBS_TEST_PADDED", " '" KEY "'\n", TRUE);
  g_setenv ("LSOBS_TEST_WHITE", " \t", TRUE);
  g_setenv ("LSOBS_TEST_BAD", KEY " " KEY, TRUE);
  g_unsetenv ("LSOBS_TEST_UNSET");

  ADD_ROWS ("/profile/file/", file_rows, test_file);
  ADD_ROWS ("/profile/bad/", bad_rows, test_bad);
  ADD ("/profile/env-wrong", NULL, test_env_wrong);
  ADD ("/profile/label", NULL, test_label);
  ADD ("/profile/bad-unused", NULL, test_bad_unused);
  ADD ("/profile/bad-config", NULL, test_bad_config);
  ADD ("/profile/set-before", NULL, test_set_before);
  ADD ("/profile/home", NULL, test_home);
  ADD ("/profile/missing", NULL, test_missing);
  ADD ("/profile/pipe", NULL, test_pipe);
  ADD ("/profile/link", NULL, test_link);
  ADD ("/profile/unreadable", NULL, test_unreadable);
  ADD ("/profile/size", NULL, test_size);
  ADD ("/profile/depth", NULL, test_depth);
  ADD ("/profile/garbage", NULL, test_garbage);

  result = g_test_run ();
  g_rmdir (home);
  g_free (home);
  return result;
}
