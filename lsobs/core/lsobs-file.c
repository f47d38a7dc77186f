/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lsobs/core/lsobs-file-private.h"

/* Returns: FALSE if reading fails, or if the file has more than @size bytes by now */
static gboolean
read_all (int fd, gsize size, LsobsBuffer *text)
{
  char *room = _lsobs_buffer_reserve (text, size + 1);
  gssize n;

  do
    {
      n = read (fd, room + text->len, size + 1 - text->len);
      if (n > 0)
        text->len += (gsize) n;
    }
  while ((n > 0 && text->len <= size) || (n < 0 && errno == EINTR));
  if (n > 0)
    errno = EFBIG;
  return n == 0;
}

/* Reads a whole file. Only regular files are read: a pipe may block, and a device may have no
 * end. On failure, errno is set.
 * @dir: a file descriptor of the directory that @path is relative to, or AT_FDCWD
 * @flags: further flags for open()
 * @text: an empty buffer, to which the contents are appended
 * @info: (out): the attributes of the file */
gboolean
_lsobs_file_read_with_info (int dir,
                            const char *path,
                            int flags,
                            gsize max_bytes,
                            LsobsBuffer *text,
                            struct stat *info)
{
  int fd = openat (dir, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | flags);
  gboolean done = FALSE;
  int saved_errno;

  if (fd < 0)
    return FALSE;
  if (fstat (fd, info) == 0)
    {
      if (!S_ISREG (info->st_mode))
        errno = EINVAL;
      else if ((guint64) info->st_size > max_bytes)
        errno = EFBIG;
      else
        done = read_all (fd, (gsize) info->st_size, text);
    }
  saved_errno = errno;
  close (fd);
  errno = saved_errno;
  return done;
}

/* Does the same without @info. */
gboolean
_lsobs_file_read (int dir, const char *path, int flags, gsize max_bytes, LsobsBuffer *text)
{
  struct stat info;

  return _lsobs_file_read_with_info (dir, path, flags, max_bytes, text, &info);
}
