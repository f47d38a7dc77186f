/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "lsobs/lsobs-secret-private.h"

char *
_lsobs_secret_dup (const char *secret)
{
  return g_strdup (secret);
}

void
_lsobs_secret_free (char *secret)
{
  if (secret == NULL)
    return;
  explicit_bzero (secret, strlen (secret));
  g_free (secret);
}
