/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <glib/gi18n-lib.h>

#include "lsobs/config/lsobs-profile-private.h"
#include "lsobs/core/lsobs-file-private.h"
#include "lsobs/core/lsobs-fork-private.h"
#include "lsobs/core/lsobs-privilege-private.h"
#include "lsobs/core/lsobs-secret-private.h"
#include "lsobs/text/lsobs-json-document-private.h"

/* A larger file is not a file of profiles. */
#define MAX_FILE_BYTES (1024 * 1024)

/* The most characters of a profile's name in messages. */
#define MAX_LABEL 64

/* The file contains keys. json-glib would leave copies of them in memory, so the few members that
 * are needed are looked up without it. */

/* Returns: (transfer full) (nullable): NULL if there is no such member, or if it is white space */
static char *
dup_text (LsobsJsonDocument *self, const char *object, const char *name)
{
  gsize len = 0;
  const char *value = _lsobs_json_document_find (self, object, name);
  const char *text = _lsobs_json_document_decode (self, value, &len);
  gboolean empty = TRUE;

  for (gsize i = 0; i < len && empty; i++)
    empty = g_ascii_isspace (text[i]);
  return empty ? NULL : g_strndup (text, len);
}

/* @name: (inout) (transfer full) (nullable): of the profile; NULL for the current profile of the
 *   file, and gets its name then
 * Returns: (nullable): the JSON value of the profile, of any type */
static const char *
find_profile (LsobsJsonDocument *self, char **name)
{
  const char *profiles = _lsobs_json_document_find (self, self->text.data, "profiles");

  if (*name == NULL)
    *name = dup_text (self, self->text.data, "current_profile");
  if (*name == NULL)
    *name = g_strdup ("default");
  return _lsobs_json_document_find (self, profiles, *name);
}

/* --- whether a command may be run --- */

/* A user who can write to the file could make the program run any command.
 * Returns: (nullable): why commands of the file must not run, or NULL */
const char *
_lsobs_profile_check_file (const struct stat *file, uid_t user)
{
  if (file->st_uid != user)
    /* TRANSLATORS: follows “The command for the API key of the profile … is not run: ”. */
    return _ ("the profile file belongs to another user");
  if ((file->st_mode & (S_IWGRP | S_IWOTH)) != 0)
    /* TRANSLATORS: follows “The command for the API key of the profile … is not run: ”. */
    return _ ("other users can write to the profile file; use chmod go-w");
  return NULL;
}

/* A user who can write to the directory could replace the file.
 * Returns: (nullable): why commands of files in it must not run, or NULL */
const char *
_lsobs_profile_check_directory (const struct stat *directory, uid_t user)
{
  if (directory->st_uid != user && directory->st_uid != 0)
    /* TRANSLATORS: follows “The command for the API key of the profile … is not run: ”. */
    return _ ("the directory of the profile file belongs to another user");
  if ((directory->st_mode & (S_IWGRP | S_IWOTH)) != 0)
    /* TRANSLATORS: follows “The command for the API key of the profile … is not run: ”. */
    return _ ("other users can write to the directory of the profile file; use chmod go-w");
  return NULL;
}

static const char *
check_directory_of (const char *path)
{
  g_autofree char *directory = g_path_get_dirname (path);
  struct stat info;

  if (stat (directory, &info) != 0)
    /* TRANSLATORS: follows “The command for the API key of the profile … is not run: ”. */
    return _ ("the directory of the profile file cannot be checked");
  return _lsobs_profile_check_directory (&info, geteuid ());
}

/* @file: about the file that was read
 * Returns: (nullable): why its commands must not run, or NULL */
static const char *
check_commands (const char *path, const struct stat *file)
{
  char *real_path = NULL;
  const char *distrust;

  /* The author of the command does not have the privileges of the program. */
  if (_lsobs_privilege_is_elevated ())
    /* TRANSLATORS: follows “The command for the API key of the profile … is not run: ”. */
    return _ ("the program runs with elevated privileges");
  distrust = _lsobs_profile_check_file (file, geteuid ());
  if (distrust == NULL)
    distrust = check_directory_of (path);
  if (distrust == NULL && (real_path = realpath (path, NULL)) != NULL)
    distrust = check_directory_of (real_path);
  /* realpath() uses malloc(). */
  free (real_path);
  return distrust;
}

/* --- the file --- */

static gboolean
read_file (const char *path, LsobsBuffer *raw, struct stat *info)
{
  /* Open during the read, so that a fork does not wait for the disk. */
  LsobsForkGuard *guard = _lsobs_fork_guard_open ();
  gboolean done = _lsobs_file_read_with_info (AT_FDCWD, path, 0, MAX_FILE_BYTES, raw, info);

  _lsobs_fork_guard_close (guard);
  return done;
}

static void
take_members (LsobsProfile *self, LsobsJsonDocument *document, const char *profile)
{
  const char *oauth = _lsobs_json_document_find (document, profile, "oauth");

  self->api_url = dup_text (document, profile, "api_url");
  self->api_key = dup_text (document, profile, "api_key");
  self->api_key_env = dup_text (document, profile, "api_key_env");
  self->api_key_cmd = dup_text (document, profile, "api_key_cmd");
  self->workspace_id = dup_text (document, profile, "workspace_id");
  self->access_token = dup_text (document, oauth, "access_token");
}

/* A file that cannot be read is not an error: most users have no profiles.
 * @path: (nullable): NULL for the file in the home directory
 * @name: (nullable): NULL for the current profile of the file
 * @problem: (out) (optional) (nullable): what is wrong with a file that exists; a static string
 * Returns: (transfer full) (nullable): NULL if there is no such profile */
LsobsProfile *
_lsobs_profile_load (const char *path, const char *name, const char **problem)
{
  g_autofree char *home_path = NULL;
  g_autofree char *found = g_strdup (name);
  LsobsBuffer raw = LSOBS_BUFFER_INIT;
  LsobsJsonDocument document = LSOBS_JSON_DOCUMENT_INIT;
  LsobsProfile *self = NULL;
  const char *profile = NULL;
  const char *missing = NULL;
  struct stat info;

  if (path == NULL)
    path = home_path = g_build_filename (g_get_home_dir (), ".langsmith", "config.json", NULL);
  if (!read_file (path, &raw, &info))
    missing = g_file_test (path, G_FILE_TEST_IS_REGULAR)
                  ? _ ("it cannot be read, or is larger than 1 MiB")
                  : NULL;
  else if (!_lsobs_json_document_load_secret (&document, raw.data, raw.len))
    missing = _ ("it is not JSON");
  else
    {
      profile = find_profile (&document, &found);
      if (profile == NULL || *profile != '{')
        missing = name != NULL || profile != NULL
                      ? _ ("it does not have the profile that is asked for")
                      : NULL;
    }

  if (profile != NULL && *profile == '{')
    {
      self = g_new0 (LsobsProfile, 1);
      /* The working directory may change before the file is read again. */
      self->path = g_canonicalize_filename (path, NULL);
      self->name = g_steal_pointer (&found);
      take_members (self, &document, profile);
      if (self->api_key_cmd != NULL)
        self->distrust = check_commands (path, &info);
    }
  else
    {
      g_debug ("There is no profile in %s", path);
    }
  if (problem != NULL)
    *problem = missing;
  _lsobs_buffer_wipe (&raw);
  _lsobs_json_document_wipe (&document);
  return self;
}

void
_lsobs_profile_free (LsobsProfile *self)
{
  g_free (self->path);
  g_free (self->name);
  g_free (self->api_url);
  _lsobs_secret_free (self->api_key);
  _lsobs_secret_free (self->api_key_env);
  _lsobs_secret_free (self->api_key_cmd);
  _lsobs_secret_free (self->access_token);
  g_free (self->workspace_id);
  g_free (self);
}

/* Returns: (transfer full): the name of a profile for a message: printable and not too long */
char *
_lsobs_profile_dup_label (const char *name)
{
  g_autofree char *valid = g_utf8_make_valid (name, -1);
  GString *label = g_string_new (NULL);
  guint n = 0;

  for (const char *at = valid; *at != '\0' && n < MAX_LABEL; at = g_utf8_next_char (at), n++)
    {
      gunichar c = g_utf8_get_char (at);

      g_string_append_unichar (label, g_unichar_isprint (c) ? c : '?');
    }
  return g_string_free (label, FALSE);
}
