/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "lsobs/config/lsobs-config-private.h"
#include "lsobs/config/lsobs-settings-private.h"
#include "lsobs/core/lsobs-secret-private.h"
#include "lsobs/lsobs-client.h"
#include "lsobs/lsobs-error.h"
#include "lsobs/lsobs-memory-transport.h"
#include "lsobs/lsobs-observer.h"

/* What is left of a key in the memory of the process once all that had it is gone:
 * a core dump would show it. */

#define KEY_LEN 64
#define MASK    0x5a

/* The allocator writes into the beginning of what is freed. A piece is enough to
 * know the key by. */
#define PIECE_LEN 12

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
# define HAVE_SANITIZER 1
#elif defined(__has_feature)
# if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
     __has_feature(memory_sanitizer)
#  define HAVE_SANITIZER 1
# endif
#endif

/* The key of this test, veiled, so that this copy is not found. */
static guint8 veiled[KEY_LEN];

/* Fills @key, which has room for KEY_LEN characters and a NUL. */
static void
make_key (char *key)
{
  static const char digits[] = "0123456789abcdef";

  for (guint i = 0; i < KEY_LEN; i++)
    veiled[i] = (guint8) digits[g_random_int_range (0, 16)] ^ MASK;
  for (guint i = 0; i < KEY_LEN; i++)
    key[i] = (char) (veiled[i] ^ MASK);
  key[KEY_LEN] = '\0';
}

/* Byte by byte, without a copy of anything that is looked at. */
static gboolean
is_piece (const volatile guint8 *at, guint start)
{
  for (guint i = 0; i < PIECE_LEN; i++)
    if ((at[i] ^ MASK) != veiled[start + i])
      return FALSE;
  return TRUE;
}

static guint
count_in (const volatile guint8 *begin, const volatile guint8 *end)
{
  guint n = 0;

  for (const volatile guint8 *at = begin; at + PIECE_LEN <= end; at++)
    for (guint start = KEY_LEN % PIECE_LEN; start < KEY_LEN; start += PIECE_LEN)
      if ((at[0] ^ MASK) == veiled[start] && is_piece (at, start))
        n++;
  return n;
}

/* How many pieces of the key there are in memory that can be written to, other
 * than the stack. */
static guint
count_pieces (void)
{
  FILE *maps = fopen ("/proc/self/maps", "re");
  char line[512];
  guint n = 0;

  g_assert_nonnull (maps);
  while (fgets (line, sizeof line, maps) != NULL)
    {
      unsigned long begin, end;
      char flags[8];

      if (sscanf (line, "%lx-%lx %7s", &begin, &end, flags) != 3 || flags[0] != 'r' ||
          flags[1] != 'w' || strstr (line, "[stack") != NULL || strstr (line, "/dev/") != NULL)
        continue;
      n += count_in ((const guint8 *) begin, (const guint8 *) end);
    }
  fclose (maps);
  return n;
}

/* Cases: each takes a key, and must leave nothing of it. */

static void
use_nothing (const char *key)
{
}

static void
use_secret (const char *key)
{
  char *secret = _lsobs_secret_dup (key);

  g_assert_cmpstr (secret, ==, key);
  _lsobs_secret_free (secret);
  _lsobs_secret_free (NULL);
  g_assert_null (_lsobs_secret_dup (NULL));
}

static void
use_config (const char *key)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new (key, NULL);

  g_assert_true (lsobs_config_has_api_key (config));
}

static void
use_replaced (const char *key)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new (key, NULL);

  lsobs_config_set_api_key (config, "another");
  g_assert_cmpuint (count_pieces (), ==, 0);
}

static void
use_cleared (const char *key)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new (NULL, NULL);

  lsobs_config_set_api_key (config, key);
  lsobs_config_set_api_key (config, NULL);
  g_assert_cmpuint (count_pieces (), ==, 0);
}

static void
use_validated (const char *key)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new (key, NULL);
  g_autoptr (GError) error = NULL;

  lsobs_config_validate (config, &error);
  g_assert_no_error (error);
}

static void
assert_key (LsobsSettings *settings, const char *key)
{
  g_autoptr (LsobsCredentials) expected = _lsobs_credentials_new (key);

  g_assert_true (_lsobs_credentials_are_same (settings->credentials, expected));
}

static void
use_settings (const char *key)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new (key, NULL);
  g_autoptr (LsobsSettings) settings = _lsobs_settings_new (config, LSOBS_SETTINGS_FOR_HTTP, NULL);

  g_assert_nonnull (settings);
  assert_key (settings, key);
  /* The settings outlive the config. */
  g_assert_finalize_object (g_steal_pointer (&config));
}

/* Something else is wrong, so that the settings are given up half-way. */
static void
use_bad_config (const char *key)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new (key, NULL);
  g_autoptr (GError) error = NULL;

  lsobs_config_set_sampling_rate (config, 7.0);
  g_assert_null (_lsobs_settings_new (config, LSOBS_SETTINGS_FOR_HTTP, &error));
  g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG);
}

/* The key itself is wrong. */
static void
use_bad_key (const char *key)
{
  char text[KEY_LEN + 4];
  g_autoptr (LsobsConfig) config = NULL;
  g_autoptr (GError) error = NULL;

  g_snprintf (text, sizeof text, "%s\nx", key);
  config = lsobs_config_new (text, NULL);
  explicit_bzero (text, sizeof text);
  g_assert_false (lsobs_config_validate (config, &error));
  g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG);
}

static void
use_padded (const char *key, const char *before, const char *after)
{
  char text[4 * KEY_LEN];
  g_autoptr (LsobsConfig) config = NULL;
  g_autoptr (LsobsSettings) settings = NULL;

  g_snprintf (text, sizeof text, "%s%s%s", before, key, after);
  config = lsobs_config_new (text, NULL);
  explicit_bzero (text, sizeof text);
  settings = _lsobs_settings_new (config, LSOBS_SETTINGS_FOR_HTTP, NULL);
  g_assert_nonnull (settings);
  assert_key (settings, key);
}

static void
use_quoted (const char *key)
{
  use_padded (key, " \"", "\"\n");
}

/* More white space than key: to move the key to the front leaves another one. */
static void
use_indented (const char *key)
{
  char spaces[KEY_LEN + 17];

  memset (spaces, ' ', sizeof spaces - 1);
  spaces[sizeof spaces - 1] = '\0';
  use_padded (key, spaces, "\n");
}

static void
use_observer (const char *key)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new (key, NULL);
  g_autoptr (LsobsMemoryTransport) transport = lsobs_memory_transport_new ();
  g_autoptr (LsobsObserver) observer =
      lsobs_observer_new_with_transport (config, LSOBS_TRANSPORT (transport), NULL);

  g_assert_nonnull (observer);
  g_assert_finalize_object (g_steal_pointer (&observer));
}

static void
use_client (const char *key)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new (key, NULL);
  g_autoptr (LsobsClient) client = lsobs_client_new (config, NULL);

  g_assert_nonnull (client);
  g_assert_finalize_object (g_steal_pointer (&client));
}

/* Written without a buffer, which would keep it. */
static void
write_to (int fd, const char *text)
{
  g_assert_cmpint (write (fd, text, strlen (text)), ==, (gssize) strlen (text));
}

static void
use_profile (const char *key)
{
  g_autofree char *path = NULL;
  int fd = g_file_open_tmp ("lsobs-XXXXXX", &path, NULL);
  g_autoptr (LsobsConfig) config = lsobs_config_new (NULL, NULL);

  g_assert_cmpint (fd, >=, 0);
  write_to (fd, "{\"profiles\":{\"other\":{\"api_key\":\"");
  write_to (fd, key);
  write_to (fd, "\"},\"default\":{\"oauth\":{\"access_token\":\"");
  write_to (fd, key);
  write_to (fd, "\"},\"api_key\":\"");
  write_to (fd, key);
  write_to (fd, "\"}}}");
  close (fd);
  g_assert_true (lsobs_config_load_profile (config, path, NULL, NULL));
  g_assert_true (lsobs_config_has_api_key (config));
  lsobs_config_set_api_key (config, NULL);
  g_assert_cmpuint (count_pieces (), ==, 0);
  g_remove (path);
}

/* The key is in the command, and in what that prints. */
static void
use_command (const char *key)
{
  g_autofree char *dir = g_dir_make_tmp ("lsobs-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (dir, "config.json", NULL);
  int fd = g_open (path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  g_autoptr (LsobsConfig) config = lsobs_config_new (NULL, NULL);
  g_autoptr (LsobsClient) client = NULL;
  char *secret;

  g_assert_cmpint (fd, >=, 0);
  write_to (fd, "{\"profiles\":{\"default\":{\"api_key_cmd\":\"echo ");
  write_to (fd, key);
  write_to (fd, "\"}}}");
  close (fd);
  g_assert_true (lsobs_config_load_profile (config, path, NULL, NULL));
  g_assert_nonnull (config->key_source);
  secret = _lsobs_key_source_fetch (config->key_source, NULL, NULL, NULL);
  g_assert_cmpstr (secret, ==, key);
  _lsobs_secret_free (secret);
  client = lsobs_client_new (config, NULL);
  g_assert_nonnull (client);
  g_clear_object (&client);
  g_assert_finalize_object (g_steal_pointer (&config));
  g_assert_cmpuint (count_pieces (), ==, 0);
  g_remove (path);
  g_rmdir (dir);
}

typedef struct
{
  const char *path;
  void (*use) (const char *key);
} SecretRow;

/* clang-format off */
static const SecretRow rows[] = {
  { "nothing", use_nothing },
  { "secret", use_secret },
  { "config", use_config },
  { "replaced", use_replaced },
  { "cleared", use_cleared },
  { "validated", use_validated },
  { "settings", use_settings },
  { "bad-config", use_bad_config },
  { "bad-key", use_bad_key },
  { "quoted", use_quoted },
  { "indented", use_indented },
  { "observer", use_observer },
  { "client", use_client },
  { "profile", use_profile },
  { "command", use_command },
};
/* clang-format on */

/* Whether what was freed stays in memory as it was. Otherwise there is nothing to
 * see, and nothing to be tested. */
static gboolean
can_see (void)
{
#ifdef HAVE_SANITIZER
  return FALSE;
#else
  const char *preload = g_getenv ("LD_PRELOAD");

  return (preload == NULL || strstr (preload, "vgpreload") == NULL) &&
         g_file_test ("/proc/self/maps", G_FILE_TEST_EXISTS);
#endif
}

static void
test_secret (gconstpointer data)
{
  const SecretRow *row = data;
  char key[KEY_LEN + 1];

  if (!can_see ())
    {
      g_test_skip ("The memory cannot be searched here");
      return;
    }
  make_key (key);
  row->use (key);
  explicit_bzero (key, sizeof key);
  g_assert_cmpuint (count_pieces (), ==, 0);
}

/* The search finds what it looks for: a string that is there, and the rest of one
 * that was freed as it was. */
static void
test_search (void)
{
  char key[KEY_LEN + 1];
  char *copy;

  if (!can_see ())
    {
      g_test_skip ("The memory cannot be searched here");
      return;
    }
  make_key (key);
  copy = g_strdup (key);
  explicit_bzero (key, sizeof key);
  g_assert_cmpuint (count_pieces (), ==, KEY_LEN / PIECE_LEN);
  g_free (copy);
  g_assert_cmpuint (count_pieces (), >=, 1);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  /* Tests run with freed memory overwritten, which would hide what we look for. */
  mallopt (M_PERTURB, 0);

  g_test_add_func ("/secret/search", test_search);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree char *path = g_strconcat ("/secret/", rows[i].path, NULL);

      g_test_add_data_func (path, &rows[i], test_secret);
    }

  return g_test_run ();
}
