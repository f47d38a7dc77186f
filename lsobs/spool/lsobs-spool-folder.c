/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lsobs/core/lsobs-clock-private.h"
#include "lsobs/core/lsobs-file-private.h"
#include "lsobs/spool/lsobs-spool-folder-private.h"

/* docs/internals.md, "Spool", explains the files in a folder. */

/* The subfolder of a private folder: unfinished files, the ledger and the locks. Files are made
 * there, so that the time of change of the folder itself tells whether somebody else has changed it. */
#define STATE_DIR   ".lsobs"
#define LEDGER_NAME "ledger"

#define LEDGER_MAGIC G_GUINT64_CONSTANT (0x6c736f6273303200)

/* How often a full folder is read to see whether somebody has made room, in µs. */
#define MEASURE_INTERVAL (10 * G_USEC_PER_SEC)

/* An unfinished file in a folder without a subfolder was abandoned if it has not changed for so many
 * seconds. */
#define MAX_UNFINISHED_AGE 3600

/* How often an operation is tried while others remove what it needs. */
#define MAX_TRIES 3

/* The wall clock was not set if it has moved against the boot time by no more µs. */
#define CLOCK_TOLERANCE (600 * G_USEC_PER_SEC)

/* Later times in names, in µs since 1970, do not count: the year 9999. */
#define MAX_NAME_TIME (G_GINT64_CONSTANT (253370764800) * G_USEC_PER_SEC)

/* The folder while it is used. */
typedef struct
{
  int dir;       /* (owned) or -1 */
  int state_dir; /* (owned) or -1 */
  LsobsFileLock lock;
  LsobsSpoolLedger ledger; /* while it is locked */
} OpenFolder;

#define OPEN_FOLDER_INIT \
 { \
  .dir = -1, .state_dir = -1, .lock = LSOBS_FILE_LOCK_INIT \
 }

/* Returns: those of the spool of a destination */
LsobsSpoolLimits
_lsobs_spool_limits_get (LsobsSettings *settings)
{
  return (LsobsSpoolLimits){
    .max_bytes = (guint64) settings->values.spool_max_bytes,
    .max_files = (guint64) settings->values.spool_max_files,
    .max_age = settings->values.spool_max_age * 1000,
    .is_private = TRUE,
  };
}

LsobsSpoolFolder *
_lsobs_spool_folder_new (const char *path, const LsobsSpoolLimits *limits)
{
  LsobsSpoolFolder *self = g_new0 (LsobsSpoolFolder, 1);

  self->path = g_strdup (path);
  self->limits = *limits;
  return self;
}

void
_lsobs_spool_folder_free (LsobsSpoolFolder *self)
{
  g_free (self->path);
  g_free (self);
}

/* --- the folder --- */

static void
close_fd (int *fd)
{
  if (*fd >= 0)
    close (*fd);
  *fd = -1;
}

/* Keeps errno. */
static void
open_folder_clear (OpenFolder *open_folder)
{
  int saved_errno = errno;

  _lsobs_file_lock_release (&open_folder->lock);
  close_fd (&open_folder->state_dir);
  close_fd (&open_folder->dir);
  errno = saved_errno;
}

/* Whether the folder, or its subfolder, may be trusted with traces: it is this user's, and no other
 * one may put something into it. One that is shared, such as /tmp, stays as it is.
 * Returns: FALSE with errno */
static gboolean
check_folder (LsobsSpoolFolder *self, int dir)
{
  struct stat info;

  if (!self->limits.is_private)
    return TRUE;
  if (fstat (dir, &info) != 0)
    return FALSE;
  errno = EPERM;
  return info.st_uid == geteuid () && (info.st_mode & (S_ISVTX | S_IWGRP | S_IWOTH)) == 0;
}

/* Makes a folder, and those above it. A new one survives a power cut once the one above it is on the
 * disk.
 * Returns: FALSE with errno */
static gboolean
make_folder (const char *path)
{
  g_autofree char *parent = NULL;
  int fd;

  if (g_file_test (path, G_FILE_TEST_IS_DIR))
    return TRUE;
  parent = g_path_get_dirname (path);
  if (!make_folder (parent))
    return FALSE;
  if (mkdir (path, 0700) != 0)
    return errno == EEXIST;
  fd = open (parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd >= 0)
    fsync (fd);
  close_fd (&fd);
  return TRUE;
}

/* @create: makes the folder if it is missing
 * Returns: FALSE with errno */
static gboolean
open_folder_open (OpenFolder *open_folder, LsobsSpoolFolder *self, gboolean create)
{
  const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;

  if (create && !make_folder (self->path))
    return FALSE;
  open_folder->dir = open (self->path, flags | (self->limits.is_private ? O_NOFOLLOW : 0));
  if (open_folder->dir < 0 || !check_folder (self, open_folder->dir))
    return FALSE;
  if (self->limits.is_private && mkdirat (open_folder->dir, STATE_DIR, 0700) != 0 &&
      errno != EEXIST)
    return FALSE;
  open_folder->state_dir =
      openat (open_folder->dir, self->limits.is_private ? STATE_DIR : ".", flags | O_NOFOLLOW);
  return open_folder->state_dir >= 0 && check_folder (self, open_folder->state_dir);
}

/* Returns: when a file was last added or removed, in ns, or 0 */
static gint64
get_changed_at (int dir)
{
  struct stat info;

  if (fstat (dir, &info) != 0)
    return 0;
  return (gint64) info.st_mtim.tv_sec * G_GINT64_CONSTANT (1000000000) + info.st_mtim.tv_nsec;
}

/* @func: called for each entry
 * Returns: FALSE with errno */
static gboolean
read_folder (int dir, void (*func) (int dir, const char *name, gpointer data), gpointer data)
{
  int fd = openat (dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *entries = fd >= 0 ? fdopendir (fd) : NULL;
  struct dirent *entry;

  if (entries == NULL)
    {
      close_fd (&fd);
      return FALSE;
    }
  /* NOLINTNEXTLINE(concurrency-mt-unsafe): no other thread has this stream */
  while ((entry = readdir (entries)) != NULL)
    func (dir, entry->d_name, data);
  closedir (entries);
  return TRUE;
}

/* --- unfinished files --- */

static gint64
get_age (const struct stat *info)
{
  return g_get_real_time () / G_USEC_PER_SEC - (gint64) info->st_mtime;
}

/* A writer holds the lock of its unfinished file, but for the moment in which it makes the file. If
 * the file is removed in that moment, the writer makes another one. */
static void
remove_if_abandoned (int dir, const char *name, gpointer data)
{
  LsobsFileLock lock = LSOBS_FILE_LOCK_INIT;

  if (!_lsobs_failed_trace_is_name (name))
    return;
  if (_lsobs_file_lock_acquire (&lock, dir, name, LSOBS_FILE_LOCK_FOUND))
    unlinkat (dir, name, 0);
  _lsobs_file_lock_release (&lock);
}

/* Removes the unfinished files of processes that have died, once for each process. */
static void
sweep (LsobsSpoolFolder *self, OpenFolder *open_folder)
{
  if (self->limits.is_private && !self->swept)
    self->swept = read_folder (open_folder->state_dir, remove_if_abandoned, NULL);
}

/* Whether the folder itself has an unfinished file of this name, from another version. */
static gboolean
is_unfinished_name (const char *name)
{
  return name[0] == '.' && _lsobs_failed_trace_is_name (name + 1);
}

/* --- the clock: somebody may set it, and that of some machines stops while they are off --- */

static gint64
get_wall_time (void)
{
  return _lsobs_clock_source.get_wall_time ();
}

/* Whether the time between the last look at the folder and this one has passed. The clocks of one
 * boot tell that. After a boot, or if the clock was set, a long time may not have passed.
 * @now: µs since 1970 */
static gboolean
has_passed (LsobsSpoolFolder *self, const LsobsSpoolLedger *ledger, gint64 now, gint64 anchor)
{
  if (ABS (anchor - ledger->anchor) <= CLOCK_TOLERANCE)
    return TRUE;
  return now >= ledger->seen_at && now - ledger->seen_at <= self->limits.max_age / 2;
}

/* Remembers the time of this look. If the clock has jumped, what is in the folder begins to age now: a
 * wrong time, or the right one after a wrong one, must not make it too old.
 * Returns: now, in µs since 1970 */
static gint64
check_clock (LsobsSpoolFolder *self, LsobsSpoolLedger *ledger)
{
  gint64 now = get_wall_time ();
  gint64 anchor = now - _lsobs_clock_source.get_boot_time ();

  if (!has_passed (self, ledger, now, anchor))
    ledger->trusted_from = now;
  ledger->seen_at = now;
  ledger->anchor = anchor;
  return now;
}

/* @now: µs since 1970
 * @time: in the name of a file
 * Returns: from when on the file ages; 0 if its time lies in the future, so that its age is unknown */
static gint64
get_ageing_from (const LsobsSpoolLedger *ledger, gint64 now, gint64 time)
{
  return time > now + CLOCK_TOLERANCE ? 0 : MAX (time, ledger->trusted_from);
}

/* --- the ledger --- */

/* A look at all files of a folder. */
typedef struct
{
  LsobsSpoolFolder *folder; /* (unowned) */
  LsobsSpoolLedger *ledger; /* (unowned) */
  gint64 now;               /* µs since 1970 */
} FolderScan;

static void
note_ageing (LsobsSpoolLedger *ledger, gint64 from)
{
  if (from != 0)
    ledger->oldest = ledger->oldest == 0 ? from : MIN (ledger->oldest, from);
}

static void
note_name (LsobsSpoolLedger *ledger, gint64 time)
{
  if (time <= MAX_NAME_TIME)
    ledger->last_time = MAX (ledger->last_time, time);
}

/* Removes a file that is too old, unless somebody sends it. One that may not be opened has no lock.
 * Returns: whether it is removed */
static gboolean
expire_file (int dir, const char *name)
{
  LsobsFileLock lock = LSOBS_FILE_LOCK_INIT;
  gboolean free =
      _lsobs_file_lock_acquire (&lock, dir, name, LSOBS_FILE_LOCK_FOUND) || errno == EACCES;
  gboolean removed = free && unlinkat (dir, name, 0) == 0;

  _lsobs_file_lock_release (&lock);
  return removed;
}

/* Whether the file is too old; then it is removed. */
static gboolean
remove_if_expired (FolderScan *scan, int dir, const char *name)
{
  LsobsSpoolFolder *self = scan->folder;
  LsobsSpoolLedger *ledger = scan->ledger;
  gint64 time;
  gint64 from;
  guint n_records;

  if (!_lsobs_failed_trace_parse_name (name, NULL, &time, &n_records))
    return FALSE;
  from = get_ageing_from (ledger, scan->now, time);
  if (from != 0 && scan->now - from > self->limits.max_age && expire_file (dir, name))
    {
      self->n_expired += n_records;
      return TRUE;
    }
  note_ageing (ledger, from);
  note_name (ledger, time);
  return FALSE;
}

static void
measure_entry (int dir, const char *name, gpointer data)
{
  FolderScan *scan = data;
  gboolean unfinished = is_unfinished_name (name);
  struct stat info;

  if ((!unfinished && !_lsobs_failed_trace_is_name (name)) ||
      fstatat (dir, name, &info, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG (info.st_mode))
    return;
  if (unfinished && get_age (&info) > MAX_UNFINISHED_AGE && unlinkat (dir, name, 0) == 0)
    return;
  if (remove_if_expired (scan, dir, name))
    return;
  scan->ledger->n_bytes += (guint64) info.st_size;
  scan->ledger->n_files++;
}

static gboolean
write_ledger (LsobsSpoolFolder *self, OpenFolder *open_folder)
{
  const LsobsSpoolLedger *ledger = &open_folder->ledger;

  if (!self->limits.is_private)
    {
      self->ledger = *ledger;
      return TRUE;
    }
  return pwrite (open_folder->lock.fd, ledger, sizeof *ledger, 0) == (gssize) sizeof *ledger;
}

/* Reads the whole folder. Called with the ledger locked. The time in an invalid ledger is
 * ignored. */
static gboolean
measure (LsobsSpoolFolder *self, OpenFolder *open_folder)
{
  LsobsSpoolLedger old = open_folder->ledger;
  FolderScan scan = { self, &open_folder->ledger, 0 };

  self->measured_at = g_get_monotonic_time ();
  open_folder->ledger = (LsobsSpoolLedger){ .magic = LEDGER_MAGIC };
  if (old.magic == LEDGER_MAGIC)
    {
      open_folder->ledger.seen_at = old.seen_at;
      open_folder->ledger.anchor = old.anchor;
      open_folder->ledger.trusted_from = old.trusted_from;
    }
  scan.now = check_clock (self, &open_folder->ledger);
  if (!read_folder (open_folder->dir, measure_entry, &scan))
    return FALSE;
  open_folder->ledger.changed_at = get_changed_at (open_folder->dir);
  /* On a full disk, the files can still be listed and removed. The next look measures the folder
   * again. */
  write_ledger (self, open_folder);
  return TRUE;
}

/* Whether the folder was read a short time ago. */
static gboolean
is_measured (LsobsSpoolFolder *self)
{
  return self->measured_at != 0 && g_get_monotonic_time () - self->measured_at < MEASURE_INTERVAL;
}

/* A folder without a ledger file is read from time to time: other programs may add and remove files
 * there. */
static gboolean
read_ledger (LsobsSpoolFolder *self, OpenFolder *open_folder)
{
  LsobsSpoolLedger *ledger = &open_folder->ledger;

  if (self->limits.is_private)
    return pread (open_folder->lock.fd, ledger, sizeof *ledger, 0) == (gssize) sizeof *ledger;
  *ledger = self->ledger;
  return is_measured (self);
}

/* Whether the values of the ledger are possible: a faulty disk, or another program, may have
 * changed them. */
static gboolean
is_ledger_sane (const LsobsSpoolLedger *ledger)
{
  return ledger->magic == LEDGER_MAGIC && ledger->oldest >= 0 && ledger->oldest <= MAX_NAME_TIME &&
         ledger->last_time >= 0 && ledger->last_time <= MAX_NAME_TIME && ledger->seen_at >= 0 &&
         ledger->seen_at <= MAX_NAME_TIME && ledger->trusted_from >= 0 &&
         ledger->trusted_from <= ledger->seen_at && ABS (ledger->anchor / 2) <= MAX_NAME_TIME;
}

/* Whether no file has become too old, by a clock that has not jumped. */
static gboolean
is_young (LsobsSpoolFolder *self, LsobsSpoolLedger *ledger)
{
  gint64 before = ledger->trusted_from;
  gint64 now = check_clock (self, ledger);

  return ledger->trusted_from == before &&
         (ledger->oldest == 0 || now - ledger->oldest <= self->limits.max_age);
}

static gboolean
is_ledger_valid (LsobsSpoolFolder *self, OpenFolder *open_folder)
{
  LsobsSpoolLedger *ledger = &open_folder->ledger;

  if (!read_ledger (self, open_folder) || !is_ledger_sane (ledger))
    {
      *ledger = (LsobsSpoolLedger){ 0 };
      return FALSE;
    }
  return ledger->busy == 0 && ledger->changed_at == get_changed_at (open_folder->dir) &&
         is_young (self, ledger);
}

/* Locks the ledger, or a folder that has none, and brings the ledger up to date.
 * Returns: FALSE with errno */
static gboolean
lock_ledger (LsobsSpoolFolder *self, OpenFolder *open_folder)
{
  gboolean is_private = self->limits.is_private;

  if (open_folder->lock.fd < 0 &&
      !_lsobs_file_lock_acquire (&open_folder->lock, open_folder->state_dir,
                                 is_private ? LEDGER_NAME : ".",
                                 LSOBS_FILE_LOCK_WAIT | (is_private ? 0 : LSOBS_FILE_LOCK_FOLDER)))
    return FALSE;
  return is_ledger_valid (self, open_folder) || measure (self, open_folder);
}

/* The folder is about to change. If this process dies now, the next process measures the folder. */
static gboolean
begin_step (LsobsSpoolFolder *self, OpenFolder *open_folder)
{
  open_folder->ledger.busy = 1;
  return write_ledger (self, open_folder);
}

static void
end_step (LsobsSpoolFolder *self, OpenFolder *open_folder)
{
  open_folder->ledger.busy = 0;
  open_folder->ledger.changed_at = get_changed_at (open_folder->dir);
  write_ledger (self, open_folder);
}

/* --- adding --- */

/* A file that is added. */
typedef struct
{
  const char *tag; /* (unowned) (nullable) of the owner */
  guint n_records;
  gsize size; /* in bytes */
} NewFile;

static gboolean
fits (LsobsSpoolFolder *self, const LsobsSpoolLedger *ledger, gsize size)
{
  return ledger->n_files < self->limits.max_files && ledger->n_bytes <= self->limits.max_bytes &&
         size <= self->limits.max_bytes - ledger->n_bytes;
}

/* Whether there is room for a file of @size bytes. Called with the ledger locked. A folder that is
 * full by the ledger is read from time to time: somebody may have removed files.
 * Returns: FALSE with errno; EDQUOT: there is no room */
static gboolean
check_room (LsobsSpoolFolder *self, OpenFolder *open_folder, gsize size)
{
  gboolean is_fresh = is_measured (self);

  if (fits (self, &open_folder->ledger, size))
    return TRUE;
  if (!is_fresh || !self->limits.is_private)
    if (!measure (self, open_folder))
      return FALSE;
  errno = EDQUOT;
  return fits (self, &open_folder->ledger, size);
}

/* Writes the unfinished file, whose lock is held until it is finished.
 * Returns: FALSE with errno */
static gboolean
write_unfinished (OpenFolder *open_folder,
                  LsobsFailedTrace *trace,
                  const char *name,
                  LsobsFileLock *lock)
{
  if (!_lsobs_file_lock_acquire (lock, open_folder->state_dir, name, LSOBS_FILE_LOCK_FRESH))
    return FALSE;
  return _lsobs_failed_trace_write (trace, lock->fd) && fsync (lock->fd) == 0;
}

/* Names keep the order in which files are added, even if the clock is set back. Called with the ledger
 * locked: the order is that of all processes, except in a folder without a ledger file.
 * Returns: µs since 1970 */
static gint64
make_time (LsobsSpoolFolder *self, const LsobsSpoolLedger *ledger)
{
  self->last_time =
      MAX (get_wall_time (), (self->limits.is_private ? ledger->last_time : self->last_time) + 1);
  return self->last_time;
}

/* Moves the unfinished file into the folder. Called with the ledger locked.
 * Returns: FALSE with errno */
static gboolean
finish_file (LsobsSpoolFolder *self,
             OpenFolder *open_folder,
             const NewFile *new_file,
             const char *unfinished)
{
  LsobsSpoolLedger *ledger = &open_folder->ledger;
  gint64 time = make_time (self, ledger);
  g_autofree char *name = _lsobs_failed_trace_make_name (time, new_file->tag, new_file->n_records);
  gboolean done;
  int problem;

  if (!begin_step (self, open_folder))
    return FALSE;
  done = renameat (open_folder->state_dir, unfinished, open_folder->dir, name) == 0;
  problem = errno;
  if (done)
    {
      ledger->n_files++;
      ledger->n_bytes += new_file->size;
      note_name (ledger, time);
      if (new_file->tag != NULL)
        note_ageing (ledger, get_ageing_from (ledger, get_wall_time (), time));
    }
  end_step (self, open_folder);
  errno = problem;
  return done;
}

/* Writes the file, and moves it into the folder. A private folder is not locked while the disk
 * works. So there must be room before the write, and still after it.
 * Returns: FALSE with errno */
static gboolean
write_file (LsobsSpoolFolder *self,
            OpenFolder *open_folder,
            LsobsFailedTrace *trace,
            const NewFile *new_file)
{
  g_autofree char *name =
      _lsobs_failed_trace_make_name (get_wall_time (), new_file->tag, new_file->n_records);
  g_autofree char *unfinished = g_strconcat (self->limits.is_private ? "" : ".", name, NULL);
  LsobsFileLock lock = LSOBS_FILE_LOCK_INIT;
  gboolean done;
  int problem;

  if (!lock_ledger (self, open_folder) || !check_room (self, open_folder, new_file->size))
    return FALSE;
  if (self->limits.is_private)
    _lsobs_file_lock_release (&open_folder->lock);
  done = write_unfinished (open_folder, trace, unfinished, &lock) &&
         (!self->limits.is_private ||
          (lock_ledger (self, open_folder) && check_room (self, open_folder, new_file->size))) &&
         finish_file (self, open_folder, new_file, unfinished);
  problem = errno;
  if (!done && lock.fd >= 0)
    unlinkat (open_folder->state_dir, unfinished, 0);
  _lsobs_file_lock_release (&lock);
  errno = problem;
  return done;
}

/* Returns: 0 or errno */
static int
add_once (LsobsSpoolFolder *self, LsobsFailedTrace *trace, const char *tag, guint n_records)
{
  OpenFolder open_folder = OPEN_FOLDER_INIT;
  const NewFile new_file = { tag, n_records, _lsobs_failed_trace_measure (trace) };
  int problem = 0;

  if (!open_folder_open (&open_folder, self, TRUE))
    {
      problem = errno;
    }
  else
    {
      sweep (self, &open_folder);
      if (!write_file (self, &open_folder, trace, &new_file))
        problem = errno;
      /* After the rename, the file is there, whether it survives a power cut or not. */
      else
        fsync (open_folder.dir);
    }
  open_folder_clear (&open_folder);
  return problem;
}

/* Makes the folder, if it is missing, and adds a file.
 * @tag: (nullable): of the owner
 * @n_records: in the file
 * Returns: 0 or errno; EDQUOT: a limit is reached */
int
_lsobs_spool_folder_add (LsobsSpoolFolder *self,
                         LsobsFailedTrace *trace,
                         const char *tag,
                         guint n_records)
{
  int problem = 0;

  for (guint i = 0; i < MAX_TRIES; i++)
    {
      problem = add_once (self, trace, tag, n_records);
      /* Somebody has removed the folder, or the unfinished file, meanwhile, or is about to. */
      if (problem != ENOENT && problem != ESTALE && problem != EWOULDBLOCK)
        break;
    }
  return problem;
}

/* --- reading and removing --- */

/* Removes what is too old, and remembers the time of this look.
 * Returns: FALSE with errno */
static gboolean
look (LsobsSpoolFolder *self, OpenFolder *open_folder)
{
  if (!lock_ledger (self, open_folder))
    return FALSE;
  /* Without the time of this look, a later look may take the time in between for a jump of the
   * clock. */
  write_ledger (self, open_folder);
  return TRUE;
}

/* Whether the key of the owner may be that of the mark. Files without a mark were added without a key.
 * @name: of a file whose owner is known
 * @mark: (nullable): any */
static gboolean
has_mark (const char *name, const char *mark)
{
  const char *own = strchr (name + strlen ("trace_"), '_') + 1 + LSOBS_TAG_LEN;

  return mark == NULL || strcmp (mark, LSOBS_NO_MARK) == 0 || g_str_has_prefix (own, mark) ||
         g_str_has_prefix (own, LSOBS_NO_MARK);
}

/* The data of a function that lists files. */
typedef struct
{
  const char *tag;  /* (unowned) (nullable) */
  const char *mark; /* (unowned) (nullable) */
  GPtrArray *names; /* (unowned) (element-type utf8) */
} NameList;

static void
list_entry (int dir, const char *name, gpointer data)
{
  NameList *list = data;
  gint64 time;
  guint n_records;

  if (list->tag != NULL ? _lsobs_failed_trace_parse_name (name, list->tag, &time, &n_records) &&
                              has_mark (name, list->mark)
                        : _lsobs_failed_trace_is_name (name))
    g_ptr_array_add (list->names, g_strdup (name));
}

/* @data: whether all are of files whose owner is known */
static int
compare_entries (gconstpointer a, gconstpointer b, gpointer data)
{
  return _lsobs_spool_folder_compare (*(char *const *) a, *(char *const *) b,
                                      GPOINTER_TO_INT (data));
}

/* Returns: as strcmp(): names in the order of a list
 * @tagged: it is a list of files of one tag */
int
_lsobs_spool_folder_compare (const char *a, const char *b, gboolean tagged)
{
  return tagged ? _lsobs_failed_trace_compare_names (a, b) : strcmp (a, b);
}

/* Lists the files of one tag, or all, the oldest first. Removes those that are too old.
 * @tag: (nullable)
 * @mark: (nullable): only those with this mark, or with none
 * @names: (element-type utf8): to which the names are added
 * Returns: 0 or errno */
int
_lsobs_spool_folder_list (LsobsSpoolFolder *self,
                          const char *tag,
                          const char *mark,
                          GPtrArray *names)
{
  OpenFolder open_folder = OPEN_FOLDER_INIT;
  NameList list = { tag, mark, names };
  int problem = 0;

  if (!open_folder_open (&open_folder, self, FALSE))
    {
      problem = errno;
    }
  else
    {
      sweep (self, &open_folder);
      if ((self->limits.max_age != G_MAXINT64 && !look (self, &open_folder)) ||
          !read_folder (open_folder.dir, list_entry, &list))
        problem = errno;
    }
  open_folder_clear (&open_folder);
  g_ptr_array_sort_with_data (names, compare_entries, GINT_TO_POINTER (tag != NULL));
  return problem;
}

/* @text: an empty buffer, to which the contents are appended
 * Returns: 0 or errno */
int
_lsobs_spool_folder_read (LsobsSpoolFolder *self,
                          const char *name,
                          gsize max_bytes,
                          LsobsBuffer *text)
{
  OpenFolder open_folder = OPEN_FOLDER_INIT;
  int problem = 0;

  if (!open_folder_open (&open_folder, self, FALSE) ||
      !_lsobs_file_read (open_folder.dir, name, O_NOFOLLOW, max_bytes, text))
    problem = errno;
  open_folder_clear (&open_folder);
  return problem;
}

/* Removes the file, also if the ledger cannot be locked or written, as on a full disk: the time of
 * change of the folder tells that then. A folder without a ledger file is not read for each file that
 * is removed.
 * Returns: FALSE with errno */
static gboolean
remove_file (LsobsSpoolFolder *self, OpenFolder *open_folder, const char *name)
{
  LsobsSpoolLedger *ledger = &open_folder->ledger;
  struct stat info;
  gboolean counted = self->limits.is_private && lock_ledger (self, open_folder) &&
                     fstatat (open_folder->dir, name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
                     begin_step (self, open_folder);
  gboolean done = unlinkat (open_folder->dir, name, 0) == 0;
  int problem = errno;

  if (!counted)
    {
      /* The time of change of the folder may be the same as after the last step. */
      self->measured_at = 0;
      errno = problem;
      return done;
    }
  if (done)
    {
      ledger->n_files -= MIN (ledger->n_files, 1);
      ledger->n_bytes -= MIN (ledger->n_bytes, (guint64) info.st_size);
      if (ledger->n_files == 0)
        ledger->oldest = ledger->last_time = 0;
    }
  end_step (self, open_folder);
  errno = problem;
  return done;
}

/* Returns: 0 or errno; ENOENT: the file is not there */
int
_lsobs_spool_folder_remove (LsobsSpoolFolder *self, const char *name)
{
  OpenFolder open_folder = OPEN_FOLDER_INIT;
  int problem = 0;

  if (!open_folder_open (&open_folder, self, FALSE) || !remove_file (self, &open_folder, name))
    problem = errno;
  open_folder_clear (&open_folder);
  return problem;
}

/* Locks a file in the subfolder, without waiting. A folder that is not private has none: there, only
 * single files are locked.
 * @file_lock: (out)
 * Returns: 0 or errno; EWOULDBLOCK: somebody else holds the lock */
int
_lsobs_spool_folder_lock (LsobsSpoolFolder *self, const char *name, LsobsFileLock *file_lock)
{
  OpenFolder open_folder = OPEN_FOLDER_INIT;
  int problem = 0;

  if (!open_folder_open (&open_folder, self, FALSE) ||
      (self->limits.is_private &&
       !_lsobs_file_lock_acquire (file_lock, open_folder.state_dir, name, LSOBS_FILE_LOCK_NONE)))
    problem = errno;
  open_folder_clear (&open_folder);
  return problem;
}

/* Locks a file of the folder itself, without waiting.
 * @file_lock: (out)
 * Returns: 0 or errno; EWOULDBLOCK: somebody else holds the lock; ENOENT, ESTALE: it is removed */
int
_lsobs_spool_folder_lock_file (LsobsSpoolFolder *self, const char *name, LsobsFileLock *file_lock)
{
  OpenFolder open_folder = OPEN_FOLDER_INIT;
  int problem = 0;

  if (!open_folder_open (&open_folder, self, FALSE) ||
      !_lsobs_file_lock_acquire (file_lock, open_folder.dir, name, LSOBS_FILE_LOCK_FOUND))
    problem = errno;
  open_folder_clear (&open_folder);
  return problem;
}
