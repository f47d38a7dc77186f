/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib/gi18n.h>

#include "lsobs/core/lsobs-file-private.h"
#include "lsobs/text/lsobs-json-document-private.h"

#include "tools/doctor/profile.h"
#include "tools/doctor/variables.h"

#define MAX_FILE (1024 * 1024)

/* The library does not tell which profile it takes if it is not given a name.
 * Returns: (transfer full): the name of the profile that applies */
static char *
dup_current (const char *path)
{
  g_auto (LsobsBuffer) raw = LSOBS_BUFFER_INIT;
  LsobsJsonDocument document = LSOBS_JSON_DOCUMENT_INIT;
  char *name = NULL;
  const char *text = NULL;
  gsize len = 0;

  if (_lsobs_file_read (AT_FDCWD, path, 0, MAX_FILE, &raw) &&
      _lsobs_json_document_load_secret (&document, raw.data, raw.len))
    text = _lsobs_json_document_decode (&document,
                                        _lsobs_json_document_find (&document, document.text.data,
                                                                   "current_profile"),
                                        &len);
  name = text != NULL && len > 0 ? g_strndup (text, len) : g_strdup ("default");
  _lsobs_buffer_wipe (&raw);
  _lsobs_json_document_wipe (&document);
  return name;
}

static void
check_mode (Report *report, const char *path)
{
  struct stat info;
  g_autofree char *text = NULL;
  g_autofree char *advice = NULL;
  g_autofree char *quoted = g_shell_quote (path);

  if (stat (path, &info) != 0)
    return;
  if (info.st_uid != geteuid ())
    {
      /* TRANSLATORS: %s: a path */
      text = g_strdup_printf (
          _ ("The file %s belongs to another user, who can change where traces go"), path);
      advice = g_strdup_printf (_ ("Make a file of your own: cp %s, and name it in "
                                   "LANGSMITH_CONFIG_FILE"),
                                quoted);
    }
  else if ((info.st_mode & 077) != 0)
    {
      /* TRANSLATORS: %s: a path; then the permissions of a file, as octal digits */
      text = g_strdup_printf (_ ("Other users can read or change the keys in %s (mode %04o)"), path,
                              info.st_mode & 07777);
      /* TRANSLATORS: %s: a command */
      advice = g_strdup_printf (_ ("Run “chmod 600 %s”"), quoted);
    }
  if (text != NULL)
    report_add (report, FINDING_PROFILE, FINDING_WARNING, text, advice);
}

/* Says what of the profile counts. @config: what the profile alone gives */
static void
add_use (Report *report, const char *path, const char *name, LsobsConfig *config)
{
  g_autoptr (GPtrArray) used = g_ptr_array_new ();
  g_autofree char *list = NULL;
  g_autofree char *text = NULL;
  g_autoptr (LsobsConfig) fresh = lsobs_config_new (NULL, NULL);
  JsonObject *values;

  if (lsobs_config_has_api_key (config) && variables_find ("api-key", NULL) == NULL)
    g_ptr_array_add (used, (gpointer) _ ("the key"));
  if (g_strcmp0 (lsobs_config_get_api_url (config), lsobs_config_get_api_url (fresh)) != 0 &&
      variables_find ("api-url", NULL) == NULL)
    g_ptr_array_add (used, (gpointer) _ ("the address"));
  if (lsobs_config_get_workspace_id (config) != NULL &&
      variables_find ("workspace-id", NULL) == NULL)
    g_ptr_array_add (used, (gpointer) _ ("the workspace"));
  g_ptr_array_add (used, NULL);
  list = g_strjoinv (", ", (char **) used->pdata);
  if (*list != '\0')
    /* TRANSLATORS: the name of a profile, a path, and a list such as “the key, the address” */
    text = g_strdup_printf (_ ("“%s” of %s gives %s"), name, path, list);
  else
    /* TRANSLATORS: the name of a profile, a path */
    text = g_strdup_printf (_ ("“%s” of %s sets nothing: variables set the same"), name, path);
  values = report_add (report, FINDING_PROFILE, FINDING_OK, text, NULL);
  json_object_set_string_member (values, "file", path);
  json_object_set_string_member (values, "profile", name);
}

/* There is no file. */
static void
add_absence (Report *report, const char *path, const char *given_path, const char *given_name)
{
  g_autofree char *text = NULL;

  /* TRANSLATORS: %s: a path */
  text = g_strdup_printf (_ ("There is no file %s"), path);
  if (given_path != NULL)
    report_add (report, FINDING_PROFILE, FINDING_FAILURE, text,
                _ ("Correct LANGSMITH_CONFIG_FILE, or unset it"));
  else if (given_name != NULL)
    report_add (report, FINDING_PROFILE, FINDING_FAILURE, text,
                _ ("Make the profile of LANGSMITH_PROFILE there, or unset that variable"));
  else
    report_add (report, FINDING_PROFILE, FINDING_OK, text, NULL);
}

void
profile_check (Report *report)
{
  g_autofree char *given_path = variables_dup ("config-file");
  g_autofree char *given_name = variables_dup ("profile");
  g_autofree char *path =
      given_path != NULL ? g_strdup (given_path)
                         : g_build_filename (g_get_home_dir (), ".langsmith", "config.json", NULL);
  g_autofree char *name = NULL;
  g_autoptr (GPtrArray) messages = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (LsobsConfig) config = lsobs_config_new (NULL, NULL);
  g_autoptr (GError) error = NULL;
  gboolean done;

  if (access (path, F_OK) != 0)
    {
      add_absence (report, path, given_path, given_name);
      return;
    }
  lsobs_config_set_tracing_enabled (config, TRUE);
  variables_begin_log (messages);
  done = lsobs_config_load_profile (config, path, given_name, &error);
  variables_end_log ();
  name = given_name != NULL ? g_strdup (given_name) : dup_current (path);
  if (!done || messages->len > 0)
    {
      g_autofree char *advice = g_strdup_printf (
          /* TRANSLATORS: the name of a profile, a path */
          _ ("Correct the profile “%s” in %s, or choose another one by LANGSMITH_PROFILE"), name,
          path);

      report_add (report, FINDING_PROFILE, FINDING_FAILURE,
                  done ? g_ptr_array_index (messages, 0) : error->message, advice);
    }
  check_mode (report, path);
  if (!report_has (report, FINDING_PROFILE))
    add_use (report, path, name, config);
}
