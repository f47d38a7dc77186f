/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The file of profiles of LangSmith's tools. The first line is the name of the profile, or empty
 * for the current one; the rest is the file. A config takes it or says why not, without a word of
 * its values. No command is run: a config only remembers it. */

#include "config.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "fuzz/fuzz.h"
#include "lsobs/config/lsobs-profile-private.h"
#include "lsobs/lsobs.h"

static char *path;

#ifdef HAVE_MEMFD_CREATE

/* In memory, which is faster. */
static int
open_file (void)
{
  int fd = memfd_create ("lsobs-fuzz", MFD_CLOEXEC);

  path = g_strdup_printf ("/proc/self/fd/%d", fd);
  return fd;
}

#else

static void
remove_file (void)
{
  g_remove (path);
}

static int
open_file (void)
{
  int fd = g_file_open_tmp ("lsobs-fuzz-XXXXXX", &path, NULL);

  atexit (remove_file);
  return fd;
}

#endif

/* Each call replaces the contents of one file, which goes away with the process. */
static void
write_file (const char *text, gsize len)
{
  static int fd = -1;
  gsize n = 0;

  if (fd < 0)
    fd = open_file ();
  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpint (ftruncate (fd, 0), ==, 0);
  while (n < len)
    {
      gssize written = pwrite (fd, text + n, len - n, (off_t) n);

      g_assert_cmpint (written, >, 0);
      n += (gsize) written;
    }
}

static void
assert_text (const char *text)
{
  if (text == NULL)
    return;
  g_assert_cmpint (*text, !=, '\0');
  g_assert_true (g_utf8_validate (text, -1, NULL));
}

static void
check_profile (const char *name)
{
  g_autoptr (LsobsProfile) profile = _lsobs_profile_load (path, name, NULL);
  g_autofree char *label = NULL;

  if (profile == NULL)
    return;
  assert_text (profile->api_url);
  assert_text (profile->api_key);
  assert_text (profile->api_key_env);
  assert_text (profile->api_key_cmd);
  assert_text (profile->access_token);
  assert_text (profile->workspace_id);
  label = _lsobs_profile_dup_label (profile->name);
  g_assert_true (g_utf8_validate (label, -1, NULL));
  g_assert_cmpint (g_utf8_strlen (label, -1), <=, 64);
  for (const char *p = label; *p != '\0'; p = g_utf8_next_char (p))
    g_assert_true (g_unichar_isprint (g_utf8_get_char (p)));
}

/* Returns: whether @text has a part of @value that is longer than what a message may have by
 * chance. */
static gboolean
tells (const char *text, const char *value)
{
  return value != NULL && strlen (value) >= 12 && strstr (text, value) != NULL;
}

static void
check_config (const char *name)
{
  g_autoptr (LsobsConfig) config = lsobs_config_new (NULL, NULL);
  g_autoptr (LsobsProfile) profile = NULL;
  g_autoptr (GError) error = NULL;

  if (lsobs_config_load_profile (config, path, name, &error))
    {
      g_assert_no_error (error);
      return;
    }
  g_assert_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG);
  g_assert_true (g_utf8_validate (error->message, -1, NULL));
  g_assert_null (strstr (error->message, FUZZ_MARKER));
  g_assert_false (lsobs_config_has_api_key (config));
  profile = _lsobs_profile_load (path, name, NULL);
  g_assert_nonnull (profile);
  g_assert_false (tells (error->message, profile->api_key));
  g_assert_false (tells (error->message, profile->access_token));
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  FuzzInput input = { data, size };
  g_autofree char *name = fuzz_input_take_line (&input);
  gsize len = input.len;
  g_autofree char *text = fuzz_input_take_text (&input, len);
  const char *wanted = *name != '\0' ? name : NULL;

  write_file (text, len);
  check_profile (wanted);
  check_config (wanted);
  return 0;
}
