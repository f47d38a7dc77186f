/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/config/lsobs-settings-private.h"
#include "lsobs/core/lsobs-buffer-private.h"
#include "lsobs/core/lsobs-file-lock-private.h"
#include "lsobs/spool/lsobs-failed-trace-private.h"

G_BEGIN_DECLS

/* The limits of a folder. */
typedef struct
{
  guint64 max_bytes;   /* of all files */
  guint64 max_files;   /* G_MAXUINT64: no limit */
  gint64 max_age;      /* µs: of files whose owner is known; G_MAXINT64: no limit */
  gboolean is_private; /* TRUE: the folder belongs to this user, is no symbolic link, and has a
                        * subfolder for the ledger. FALSE: the folder has only traces, and
                        * other programs list its files */
} LsobsSpoolLimits;

/* What is known of the files in a folder. */
typedef struct
{
  guint64 magic;
  guint64 busy; /* a step has begun; it ends with 0 */
  guint64 n_files;
  guint64 n_bytes;
  gint64 oldest;     /* µs since 1970: no file that may expire is older; 0 without such a file */
  gint64 changed_at; /* ns: of the folder, after the last step */
  gint64 last_time;  /* µs since 1970: the latest one in the name of a file, or 0 */

  /* µs since 1970: whether the clock can be trusted; kept when the folder is read again */
  gint64 seen_at;      /* when a process has looked last */
  gint64 anchor;       /* seen_at minus the boot time: changes if the clock is set, or the machine
                        * restarted */
  gint64 trusted_from; /* when the clock has jumped last: older files count as of that moment */
} LsobsSpoolLedger;

/* A folder of failed traces, which several processes may use. Each function opens it anew, blocks
 * while the disk does, and returns 0 or the errno of what went wrong. Immutable, but for the
 * expired records. Used by one thread at a time. */
typedef struct
{
  char *path; /* (owned) */
  LsobsSpoolLimits limits;
  gint64 last_time;        /* µs since 1970: of the last name in a folder that is not private */
  gint64 measured_at;      /* monotonic, µs: when the folder was read last, or 0 */
  LsobsSpoolLedger ledger; /* of a folder that is not private */
  gboolean swept;          /* unfinished files of dead processes are removed */
  guint64 n_expired;       /* records in files that were removed as too old, since the last look */
} LsobsSpoolFolder;

LsobsSpoolLimits _lsobs_spool_limits_get (LsobsSettings *settings);

LsobsSpoolFolder *_lsobs_spool_folder_new (const char *path, const LsobsSpoolLimits *limits);
void _lsobs_spool_folder_free (LsobsSpoolFolder *self);

int _lsobs_spool_folder_add (LsobsSpoolFolder *self,
                             LsobsFailedTrace *trace,
                             const char *tag,
                             guint n_records);
int _lsobs_spool_folder_list (LsobsSpoolFolder *self,
                              const char *tag,
                              const char *mark,
                              GPtrArray *names);
int _lsobs_spool_folder_compare (const char *a, const char *b, gboolean tagged);
int _lsobs_spool_folder_read (LsobsSpoolFolder *self,
                              const char *name,
                              gsize max_bytes,
                              LsobsBuffer *text);
int _lsobs_spool_folder_remove (LsobsSpoolFolder *self, const char *name);
int _lsobs_spool_folder_lock (LsobsSpoolFolder *self, const char *name, LsobsFileLock *file_lock);
int _lsobs_spool_folder_lock_file (LsobsSpoolFolder *self,
                                   const char *name,
                                   LsobsFileLock *file_lock);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsSpoolFolder, _lsobs_spool_folder_free)

G_END_DECLS
