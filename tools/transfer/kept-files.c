/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <fcntl.h>

#include "lsobs/core/lsobs-file-private.h"
#include "lsobs/spool/lsobs-spool-owner-private.h"

#include "tools/transfer/kept-files.h"

/* Larger files are never sent. */
#define MAX_FILE_BYTES ((gsize) 140 << 20)

static gboolean
is_for_other (const char *path, LsobsSpoolOwner *owner)
{
  g_auto (LsobsBuffer) text = LSOBS_BUFFER_INIT;
  g_autoptr (LsobsFailedTrace) trace = NULL;

  if (_lsobs_file_read (AT_FDCWD, path, O_NOFOLLOW, MAX_FILE_BYTES, &text))
    trace = _lsobs_failed_trace_parse (text.data, text.len, NULL);
  return trace != NULL && trace->owner != NULL && !_lsobs_spool_owner_matches (owner, trace->owner);
}

void
kept_files_count (KeptFiles *self, const char *folder, LsobsConfig *config)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  g_autoptr (LsobsSettings) settings =
      config != NULL ? _lsobs_settings_new (config, LSOBS_SETTINGS_FOR_HTTP, NULL) : NULL;
  g_autoptr (LsobsSpoolOwner) owner = settings != NULL ? _lsobs_spool_owner_new (settings) : NULL;
  const char *name;

  self->n_all = 0;
  self->n_other = 0;
  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (folder, name, NULL);

      if (!_lsobs_failed_trace_is_name (name) || !g_file_test (path, G_FILE_TEST_IS_REGULAR))
        continue;
      self->n_all++;
      self->n_other += owner != NULL && is_for_other (path, owner);
    }
}
