/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <glib/gi18n.h>

#include "tools/doctor/disk.h"
#include "tools/doctor/variables.h"
#include "tools/service/instance.h"
#include "tools/store/store.h"

/* Free bytes of a file system. */
#define LITTLE_ROOM (G_GINT64_CONSTANT (256) << 20)
#define NO_ROOM     (G_GINT64_CONSTANT (16) << 20)

/* A folder that traces are written to. */
typedef struct
{
  FindingTopic topic;
  const char *path;     /* (unowned) */
  const char *variable; /* (unowned) (nullable) that names it */
  gint64 max_bytes;     /* of its files */
  gboolean is_private;  /* the library refuses it if others can write to it */
} FolderData;

/* Returns: (transfer full): the nearest folder above a path that is there */
static char *
dup_existing (const char *path)
{
  char *at = g_canonicalize_filename (path, NULL);

  while (access (at, F_OK) != 0 && strcmp (at, "/") != 0)
    {
      char *above = g_path_get_dirname (at);

      g_free (at);
      at = above;
    }
  return at;
}

/* Returns: free bytes for this user, or -1 */
static gint64
get_room (const char *path)
{
  struct statvfs info;

  if (statvfs (path, &info) != 0)
    return -1;
  return (gint64) MIN ((guint64) info.f_bavail * info.f_frsize, G_MAXINT64);
}

static char *
format_size (gint64 bytes)
{
  return g_format_size_full ((guint64) bytes, G_FORMAT_SIZE_IEC_UNITS);
}

/* Counts the batches in a folder. */
static void
count_batches (const char *path, guint *n, gint64 *bytes)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *file = g_build_filename (path, name, NULL);
      struct stat info;

      if (lstat (file, &info) != 0)
        continue;
      /* Each of several places has a folder of its own. */
      if (S_ISDIR (info.st_mode) && g_str_has_prefix (name, "replica-"))
        count_batches (file, n, bytes);
      if (S_ISREG (info.st_mode) && g_str_has_prefix (name, "trace_") &&
          g_str_has_suffix (name, ".json"))
        {
          ++*n;
          *bytes += info.st_size;
        }
    }
}

/* Returns: (transfer full) (nullable): why a folder cannot be used, or should not */
static char *
find_problem (const FolderData *folder, FindingLevel *level, char **advice)
{
  g_autofree char *existing = dup_existing (folder->path);
  g_autofree char *quoted = g_shell_quote (folder->path);
  gboolean is_there = access (folder->path, F_OK) == 0;
  struct stat info;

  *level = FINDING_FAILURE;
  if (stat (existing, &info) != 0)
    return g_strdup_printf ("%s: %s", existing, g_strerror (errno));
  if (!S_ISDIR (info.st_mode))
    {
      if (folder->variable != NULL)
        /* TRANSLATORS: %s: a variable of the environment */
        *advice = g_strdup_printf (_ ("Set %s to a folder"), folder->variable);
      /* TRANSLATORS: %s: a path */
      return g_strdup_printf (_ ("%s is not a folder"), existing);
    }
  if (access (existing, W_OK | X_OK) != 0)
    {
      *advice =
          g_strdup_printf (_ ("Give it to the user of the program, or choose another folder"));
      /* TRANSLATORS: %s: a path */
      return g_strdup_printf (_ ("The folder %s cannot be written to"), existing);
    }
  if (!is_there)
    return NULL;
  if (info.st_uid != geteuid () && folder->is_private)
    {
      *advice =
          g_strdup_printf (_ ("Give it to the user of the program, or choose another folder"));
      /* TRANSLATORS: %s: a path */
      return g_strdup_printf (_ ("The folder %s belongs to another user, and is not used"),
                              folder->path);
    }
  /* TRANSLATORS: %s: a command */
  *advice = g_strdup_printf (_ ("Run “chmod 700 %s”"), quoted);
  if ((info.st_mode & 022) != 0)
    {
      *level = folder->is_private ? FINDING_FAILURE : FINDING_WARNING;
      /* TRANSLATORS: a path, and the permissions as octal digits */
      return g_strdup_printf (_ ("Other users can write to %s (mode %04o)"), folder->path,
                              info.st_mode & 07777);
    }
  if ((info.st_mode & 055) != 0 && folder->is_private)
    {
      *level = FINDING_WARNING;
      /* TRANSLATORS: a path, and the permissions as octal digits */
      return g_strdup_printf (_ ("Other users can see which files are in %s (mode %04o)"),
                              folder->path, info.st_mode & 07777);
    }
  g_clear_pointer (advice, g_free);
  return NULL;
}

/* Returns: whether there is too little room; then there is a finding */
static gboolean
check_room (Report *report, FindingTopic topic, const char *path, gint64 room)
{
  g_autofree char *size = format_size (MAX (room, 0));
  g_autofree char *text = NULL;

  if (room < 0 || room >= LITTLE_ROOM)
    return FALSE;
  /* TRANSLATORS: such as “3.1 MiB”, and a path */
  text = g_strdup_printf (_ ("%s are free on the disk of %s"), size, path);
  json_object_set_int_member (report_add (report, topic,
                                          room < NO_ROOM ? FINDING_FAILURE : FINDING_WARNING, text,
                                          _ ("Delete something there, or choose another folder")),
                              "free_bytes", room);
  return TRUE;
}

static void
add_numbers (Report *report, const FolderData *folder, gint64 room)
{
  guint n = 0;
  gint64 bytes = 0;
  gboolean is_there = access (folder->path, F_OK) == 0;
  g_autofree char *free_size = format_size (MAX (room, 0));
  g_autofree char *size = NULL;
  g_autofree char *text = NULL;
  FindingLevel level = FINDING_OK;
  const char *advice = NULL;
  JsonObject *values;

  count_batches (folder->path, &n, &bytes);
  size = format_size (bytes);
  if (!is_there)
    /* TRANSLATORS: a path, and such as “3.1 GiB” */
    text =
        g_strdup_printf (_ ("%s is made when it is needed; %s are free"), folder->path, free_size);
  else
    text = g_strdup_printf (
        /* TRANSLATORS: a path, a number, and twice such as “3.1 MiB” */
        g_dngettext (GETTEXT_PACKAGE, "%s has %u batch, %s; %s are free",
                     "%s has %u batches, %s; %s are free", n),
        folder->path, n, size, free_size);
  if (bytes > folder->max_bytes / 10 * 8)
    {
      level = FINDING_WARNING;
      advice = _ (
          "It has almost reached its size limit, after which traces are lost: find out why they are not sent");
    }
  else if (n > 0 && !folder->is_private)
    {
      level = FINDING_WARNING;
      advice = _ ("The service did not take these: “lsobs forward --help” tells how to send them "
                  "again");
    }
  values = report_add (report, folder->topic, level, text, advice);
  json_object_set_string_member (values, "path", folder->path);
  json_object_set_int_member (values, "batches", n);
  json_object_set_int_member (values, "bytes", bytes);
  json_object_set_int_member (values, "free_bytes", room);
}

static void
check_folder (Report *report, const FolderData *folder)
{
  FindingLevel level;
  g_autofree char *advice = NULL;
  g_autofree char *problem = find_problem (folder, &level, &advice);
  g_autofree char *existing = dup_existing (folder->path);
  gint64 room = get_room (existing);

  if (problem != NULL)
    {
      json_object_set_string_member (report_add (report, folder->topic, level, problem, advice),
                                     "path", folder->path);
      if (level == FINDING_FAILURE)
        return;
    }
  if (!check_room (report, folder->topic, folder->path, room))
    add_numbers (report, folder, room);
}

void
disk_check_folders (Report *report, LsobsConfig *config)
{
  const char *failed = lsobs_config_get_failed_traces_dir (config);
  const char *spool = lsobs_config_get_spool_dir (config);

  if (spool != NULL)
    {
      const FolderData folder = { FINDING_SPOOL, spool, variables_find ("spool-dir", NULL),
                                  lsobs_config_get_spool_max_bytes (config), TRUE };

      check_folder (report, &folder);
    }
  else if (lsobs_config_get_spool_enabled (config))
    {
      g_autofree char *text =
          /* TRANSLATORS: %s: a path, in which PROGRAM stands for the name of a program */
          g_strdup_printf (_ ("Each program has its own, %s/PROGRAM/lsobs"),
                           g_get_user_state_dir ());

      report_add (report, FINDING_SPOOL, FINDING_OK, text, NULL);
    }
  else if (!report_has (report, FINDING_SPOOL))
    report_add (report, FINDING_SPOOL, FINDING_OK,
                _ ("There is no spool: traces wait for the service in memory only"), NULL);
  if (failed != NULL)
    {
      const FolderData folder = { FINDING_FAILED_TRACES, failed,
                                  variables_find ("failed-traces-dir", NULL),
                                  lsobs_config_get_failed_traces_max_bytes (config), FALSE };

      check_folder (report, &folder);
    }
  else if (!report_has (report, FINDING_FAILED_TRACES))
    report_add (report, FINDING_FAILED_TRACES, FINDING_OK,
                _ ("Records that are lost are not kept: LANGSMITH_FAILED_TRACES_DIR is not set"),
                NULL);
}

/* --- the store --- */

/* @store: (nullable) */
static void
add_store (Report *report, const char *database, Store *store, gint64 room)
{
  g_autofree char *free_size = format_size (MAX (room, 0));
  g_autofree char *size = NULL;
  g_autofree char *text = NULL;
  gint64 bytes = 0;
  JsonObject *values;

  if (store == NULL)
    /* TRANSLATORS: a path, and such as “3.1 GiB” */
    text = g_strdup_printf (_ ("%s is made by “lsobs serve”; %s are free"), database, free_size);
  else
    {
      store_get_size (store, &bytes, NULL);
      size = format_size (bytes);
      /* TRANSLATORS: a path, and twice such as “3.1 MiB” */
      text = g_strdup_printf (_ ("%s has %s; %s are free"), database, size, free_size);
    }
  values = report_add (report, FINDING_STORE, FINDING_OK, text, NULL);
  json_object_set_string_member (values, "path", database);
  json_object_set_int_member (values, "bytes", bytes);
  json_object_set_int_member (values, "free_bytes", room);
}

/* Returns: whether other users can read the file; then there is a finding */
static gboolean
check_store_mode (Report *report, const char *database)
{
  g_autofree char *quoted = g_shell_quote (database);
  g_autofree char *text = NULL;
  g_autofree char *advice = NULL;
  struct stat info;

  if (stat (database, &info) != 0 || !S_ISREG (info.st_mode) || (info.st_mode & 077) == 0)
    return FALSE;
  /* TRANSLATORS: a path, and the permissions as octal digits */
  text = g_strdup_printf (_ ("Other users can read or change the traces in %s (mode %04o)"),
                          database, info.st_mode & 07777);
  /* TRANSLATORS: %s: a command */
  advice = g_strdup_printf (_ ("Run “chmod 600 %s”"), quoted);
  json_object_set_string_member (report_add (report, FINDING_STORE, FINDING_WARNING, text, advice),
                                 "path", database);
  return TRUE;
}

static void
check_store (Report *report, const char *database)
{
  g_autofree char *existing = dup_existing (database);
  gint64 room = get_room (existing);
  gboolean is_open = check_store_mode (report, database);
  g_autoptr (GError) error = NULL;
  g_autoptr (Store) store = NULL;

  /* To open it changes the mode. */
  if (!is_open && access (database, F_OK) == 0)
    store = store_open (database, DATABASE_READ_ONLY, &error);
  if (error != NULL)
    {
      g_autofree char *text = g_strdup_printf ("%s: %s", database, error->message);

      json_object_set_string_member (
          report_add (report, FINDING_STORE, FINDING_FAILURE, text,
                      _ ("Choose another file by --database, or move that one away")),
          "path", database);
      return;
    }
  if (check_room (report, FINDING_STORE, database, room) || is_open)
    return;
  add_store (report, database, store, room);
}

void
disk_check_store (Report *report, const char *database)
{
  g_autofree char *url = instance_find (database);
  g_autofree char *text = NULL;
  JsonObject *values;

  check_store (report, database);
  if (url != NULL)
    /* TRANSLATORS: %s: an address */
    text = g_strdup_printf (_ ("It runs at %s"), url);
  else
    /* TRANSLATORS: %s: a path */
    text = g_strdup_printf (_ ("It does not run with the database %s"), database);
  values = report_add (report, FINDING_SERVE, FINDING_OK, text, NULL);
  if (url != NULL)
    json_object_set_string_member (values, "url", url);
  else
    json_object_set_null_member (values, "url");
}
