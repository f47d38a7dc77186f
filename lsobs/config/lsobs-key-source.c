/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <glib/gi18n-lib.h>

#include "lsobs/config/lsobs-command-private.h"
#include "lsobs/config/lsobs-key-source-private.h"
#include "lsobs/config/lsobs-trim-private.h"
#include "lsobs/core/lsobs-secret-private.h"
#include "lsobs/lsobs-error.h"

/* The limits of a command that prints a key. */
#define COMMAND_TIMEOUT  10000 /* ms */
#define MAX_OUTPUT_BYTES (64 * 1024)

/* Returns: (transfer full): why there is no key */
static char *
explain (const LsobsProfile *profile)
{
  g_autofree char *name = _lsobs_profile_dup_label (profile->name);

  if (profile->api_key_env != NULL)
    /* TRANSLATORS: the text is the name of a profile, api_key_env is a word in its file. */
    return g_strdup_printf (_ ("The profile %s takes its API key from an environment variable "
                               "(api_key_env), but that variable is not set"),
                            name);
  /* TRANSLATORS: the name of a profile, and why; api_key_cmd is a word in its file. */
  return g_strdup_printf (_ ("The command for the API key of the profile %s (api_key_cmd) is not "
                             "run: %s"),
                          name, profile->distrust);
}

LsobsKeySource *
_lsobs_key_source_new (LsobsKeyKind kind, const LsobsProfile *profile)
{
  LsobsKeySource *self = g_new0 (LsobsKeySource, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->kind = kind;
  self->path = g_strdup (profile->path);
  self->name = g_strdup (profile->name);
  if (kind == LSOBS_KEY_COMMAND)
    self->command = _lsobs_secret_dup (profile->api_key_cmd);
  if (kind == LSOBS_KEY_TOKEN)
    self->token = _lsobs_trim_dup (profile->access_token);
  if (kind == LSOBS_KEY_MISSING)
    self->problem = explain (profile);
  return self;
}

LsobsKeySource *
_lsobs_key_source_ref (LsobsKeySource *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
_lsobs_key_source_unref (LsobsKeySource *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  g_free (self->path);
  g_free (self->name);
  _lsobs_secret_free (self->command);
  _lsobs_secret_free (self->token);
  g_free (self->problem);
  g_free (self);
}

/* @output: complete, with a NUL at the end
 * Returns: (transfer full) (nullable): the key in it */
static char *
read_key (const LsobsBuffer *output, GError **error)
{
  char *key = NULL;

  if (memchr (output->data, '\0', output->len - 1) == NULL)
    key = _lsobs_trim_dup (output->data);
  if (key != NULL && _lsobs_secret_fits_header (key))
    return key;
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                       key == NULL && output->len == 1
                           /* TRANSLATORS: “it” is a command. */
                           ? _ ("it printed nothing")
                           /* TRANSLATORS: “it” is a command. */
                           : _ ("it did not print a key, but white space, several lines, or a "
                                "character that no key has"));
  _lsobs_secret_free (key);
  return NULL;
}

static char *
run_command (LsobsKeySource *self, int *stop, int *group, GError **error)
{
  const LsobsCommandLimits limits = {
    .timeout = COMMAND_TIMEOUT, .max_bytes = MAX_OUTPUT_BYTES, .stop = stop, .group = group
  };
  g_autoptr (GError) problem = NULL;
  LsobsBuffer output = LSOBS_BUFFER_INIT;
  char *key = NULL;

  if (_lsobs_command_run (self->command, &limits, &output, &problem))
    {
      _lsobs_buffer_append_c (&output, '\0');
      key = read_key (&output, &problem);
    }
  _lsobs_buffer_wipe (&output);
  if (key == NULL)
    {
      g_autofree char *name = _lsobs_profile_dup_label (self->name);

      g_set_error (error, LSOBS_ERROR, LSOBS_ERROR_NO_KEY,
                   /* TRANSLATORS: the name of a profile, and what is wrong with its command;
                    * api_key_cmd is a word in its file. */
                   _ ("The command for the API key of the profile %s (api_key_cmd) failed: %s"),
                   name, problem->message);
    }
  return key;
}

static char *
read_token (LsobsKeySource *self, GError **error)
{
  g_autoptr (LsobsProfile) profile = _lsobs_profile_load (self->path, self->name, NULL);
  char *token = profile != NULL ? _lsobs_trim_dup (profile->access_token) : NULL;
  g_autofree char *name = NULL;

  if (token != NULL && _lsobs_secret_fits_header (token))
    return token;
  _lsobs_secret_free (token);
  name = _lsobs_profile_dup_label (self->name);
  g_set_error (error, LSOBS_ERROR, LSOBS_ERROR_NO_KEY,
               /* TRANSLATORS: the text is the name of a profile. */
               _ ("The profile %s no longer has an OAuth token; sign in again"), name);
  return NULL;
}

/* Runs the command or reads the file. Blocks for COMMAND_TIMEOUT or less.
 * @stop: (nullable) (atomic): not 0: end the command
 * @group: (nullable): as in LsobsCommandLimits
 * @error: LSOBS_ERROR_NO_KEY; its message contains neither the command nor its output
 * Returns: (transfer full) (nullable): a secret that fits into a header */
char *
_lsobs_key_source_fetch (LsobsKeySource *self, int *stop, int *group, GError **error)
{
  switch (self->kind)
    {
    case LSOBS_KEY_COMMAND:
      return run_command (self, stop, group, error);
    case LSOBS_KEY_TOKEN:
      return read_token (self, error);
    case LSOBS_KEY_MISSING:
    default:
      g_set_error_literal (error, LSOBS_ERROR, LSOBS_ERROR_NO_KEY, self->problem);
      return NULL;
    }
}
