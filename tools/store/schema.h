/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The tables, and the steps from each version to the next. */

#pragma once

#include "tools/store/database.h"

G_BEGIN_DECLS

/* The version that this program reads and writes. */
#define SCHEMA_VERSION 4

/* Brings the database to @version: makes the tables in an empty file, changes those of an older
 * version. What is stored stays. Nothing is changed if it fails.
 * @version: SCHEMA_VERSION; lower in tests of the steps */
gboolean schema_upgrade (Database *database, int version, GError **error);

/* Whether the database has the version of this program: what a reader needs. */
gboolean schema_check (Database *database, GError **error);

G_END_DECLS
