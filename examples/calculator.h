/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Computes an expression of numbers, + - * /, signs and parentheses. Returns FALSE and sets @error,
 * in words that a language model understands, when there is no finite result. */
gboolean calculator_evaluate (const char *expression, double *result, GError **error);

G_END_DECLS
