/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Why the database did not do what it was asked. The messages are translated and say what to do. */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef enum
{
  STORE_ERROR_FAILED,  /* SQLite says why */
  STORE_ERROR_FOREIGN, /* the file is no database of lsobs, is damaged, or belongs to another user */
  STORE_ERROR_NEWER,   /* a newer lsobs has written it */
  STORE_ERROR_BUSY,    /* another process has locked it for a long time */
  STORE_ERROR_FULL,    /* the disk is full, or cannot be written */
  STORE_ERROR_INVALID,   /* a value, a filter or a cursor is wrong: the message names it */
  STORE_ERROR_NOT_FOUND, /* there is no such run, project or feedback */
  STORE_ERROR_EXISTS     /* there is such a project already */
} StoreError;

#define STORE_ERROR (store_error_quark ())

GQuark store_error_quark (void);

G_END_DECLS
