/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A recursive descent parser that computes while it reads:
 *
 *   sum     = product { ("+" | "-") product }
 *   product = factor { ("*" | "/") factor }
 *   factor  = ("+" | "-") factor | "(" sum ")" | number
 */

#include "calculator.h"

#include <math.h>

#include <gio/gio.h>

/* Every level of nesting takes some stack, and the text comes from a model. */
#define MAX_DEPTH 200

typedef struct
{
  const char *start;
  const char *position; /* of the next byte to read */
  guint depth;
} Parser;

static gboolean parse_sum (Parser *self, double *result, GError **error);

static gboolean
fail (Parser *self, const char *what, GError **error)
{
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "%s at character %ld", what,
               g_utf8_pointer_to_offset (self->start, self->position) + 1);
  return FALSE;
}

/* The next byte that is no space, without taking it. */
static char
peek (Parser *self)
{
  while (g_ascii_isspace (*self->position))
    self->position++;

  return *self->position;
}

static gboolean
parse_number (Parser *self, double *result, GError **error)
{
  const char *text = self->position;
  char *end = NULL;

  /* g_ascii_strtod () also knows "inf", "nan" and "0x1f", which are no numbers here. */
  if (!g_ascii_isdigit (text[0]) && !(text[0] == '.' && g_ascii_isdigit (text[1])))
    return fail (self, text[0] == '\0' ? "the expression ends too early" : "expected a number",
                 error);
  if (text[0] == '0' && g_ascii_tolower (text[1]) == 'x')
    return fail (self, "only decimal numbers are known", error);

  *result = g_ascii_strtod (text, &end);
  self->position = end;

  return TRUE;
}

static gboolean
parse_nested (Parser *self, double *result, GError **error)
{
  self->position++;
  if (!parse_sum (self, result, error))
    return FALSE;

  if (peek (self) != ')')
    return fail (self, "expected a closing parenthesis", error);
  self->position++;

  return TRUE;
}

static gboolean
parse_factor (Parser *self, double *result, GError **error)
{
  char c = peek (self);
  gboolean parsed = FALSE;

  if (++self->depth > MAX_DEPTH)
    return fail (self, "the expression is nested too deeply", error);

  if (c == '+' || c == '-')
    {
      self->position++;
      parsed = parse_factor (self, result, error);
      if (parsed && c == '-')
        *result = -*result;
    }
  else if (c == '(')
    {
      parsed = parse_nested (self, result, error);
    }
  else
    {
      parsed = parse_number (self, result, error);
    }

  self->depth--;
  return parsed;
}

static gboolean
parse_product (Parser *self, double *result, GError **error)
{
  if (!parse_factor (self, result, error))
    return FALSE;

  for (char c = peek (self); c == '*' || c == '/'; c = peek (self))
    {
      double factor = 0;

      self->position++;
      if (!parse_factor (self, &factor, error))
        return FALSE;

      if (c == '/' && factor == 0)
        {
          g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "division by zero");
          return FALSE;
        }
      *result = c == '*' ? *result * factor : *result / factor;
    }

  return TRUE;
}

static gboolean
parse_sum (Parser *self, double *result, GError **error)
{
  if (!parse_product (self, result, error))
    return FALSE;

  for (char c = peek (self); c == '+' || c == '-'; c = peek (self))
    {
      double term = 0;

      self->position++;
      if (!parse_product (self, &term, error))
        return FALSE;
      *result = c == '+' ? *result + term : *result - term;
    }

  return TRUE;
}

gboolean
calculator_evaluate (const char *expression, double *result, GError **error)
{
  Parser parser = { expression, expression, 0 };
  double value = 0;

  g_return_val_if_fail (expression != NULL, FALSE);
  g_return_val_if_fail (result != NULL, FALSE);

  if (!parse_sum (&parser, &value, error))
    return FALSE;
  if (peek (&parser) != '\0')
    return fail (&parser, "expected an operator", error);
  if (!isfinite (value))
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                           "the result is too large");
      return FALSE;
    }

  *result = value;
  return TRUE;
}
