/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/config/lsobs-settings-private.h"

G_BEGIN_DECLS

/* Asks each destination of a config whether it would take runs, and makes a report of the answers.
 * Nothing is stored there. Used only in the context that sends, that of the task; thread-safe: the
 * beginning. */
void _lsobs_service_check_task (GPtrArray *destinations, GTask *task);

G_END_DECLS
