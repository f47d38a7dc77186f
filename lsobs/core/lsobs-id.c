/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/random.h>

#include <glib/gi18n-lib.h>
#include <xxhash.h>

#include "lsobs/core/lsobs-fork-private.h"
#include "lsobs/core/lsobs-id-private.h"
#include "lsobs/lsobs-error.h"

/* The maximum depth of a run. A longer dotted order is taken for a mistake. */
#define MAX_SEGMENTS 1024

/* Longer names of projects need a buffer on the heap. */
#define SHORT_PROJECT 128

/* The generator xoshiro256++. Each thread has one, so that an id needs no lock and no system
 * call. The operating system provides the seed. Each id contains 74 random bits. */
typedef struct
{
  guint64 state[4];
  guint epoch;
  gboolean seeded;
} IdGenerator;

static __thread IdGenerator generator;

G_NO_INLINE static void
seed_generator (IdGenerator *self)
{
  gsize done = 0;

  while (done < sizeof self->state)
    {
      gssize n = getrandom ((guint8 *) self->state + done, sizeof self->state - done, 0);

      if (n > 0)
        done += n;
      else if (errno != EINTR)
        g_error ("getrandom: %s", g_strerror (errno));
    }
  /* From the state 0 the generator returns nothing but 0. */
  if ((self->state[0] | self->state[1] | self->state[2] | self->state[3]) == 0)
    self->state[0] = 1;
  self->epoch = _lsobs_fork_epoch ();
  self->seeded = TRUE;
}

static inline guint64
rotate_left (guint64 x, guint k)
{
  return (x << k) | (x >> (64 - k));
}

static guint64
next_random (IdGenerator *self)
{
  guint64 *s = self->state;
  guint64 result = rotate_left (s[0] + s[3], 23) + s[0];
  guint64 t = s[1] << 17;

  s[2] ^= s[0];
  s[3] ^= s[1];
  s[1] ^= s[2];
  s[0] ^= s[3];
  s[2] ^= t;
  s[3] = rotate_left (s[3], 45);
  return result;
}

/* Returns: (transfer none): the generator of this thread */
static inline IdGenerator *
peek_generator (void)
{
  IdGenerator *self = &generator;

  if (G_UNLIKELY (!self->seeded || self->epoch != _lsobs_fork_epoch ()))
    seed_generator (self);
  return self;
}

/* Writes LSOBS_TOKEN_LEN hexadecimal digits and a NUL. */
void
_lsobs_id_make_token (char *text)
{
  IdGenerator *source = peek_generator ();
  guint64 a = next_random (source);
  guint64 b = next_random (source);

  g_snprintf (text, LSOBS_TOKEN_LEN + 1, "%016" G_GINT64_MODIFIER "x%016" G_GINT64_MODIFIER "x", a,
              b);
}

/* Makes a UUID of version 7 with the time @start_time, in µs. */
void
_lsobs_id_make (LsobsId *id, gint64 start_time)
{
  IdGenerator *source = peek_generator ();
  guint64 high = GUINT64_TO_BE ((guint64) (start_time / 1000) << 16 | 0x7000 |
                                (next_random (source) & 0x0fff));
  guint64 low = next_random (source);

  memcpy (id->bytes, &high, 8);
  memcpy (id->bytes + 8, &low, 8);
  id->bytes[8] = 0x80 | (id->bytes[8] & 0x3f);
}

/* Reads a UUID at the start of @text. Upper case is accepted; _lsobs_id_write() writes lower
 * case, the only form that the service accepts. */
gboolean
_lsobs_id_parse (LsobsId *id, const char *text)
{
  guint n = 0;

  for (guint i = 0; i < LSOBS_UUID_LEN; i++)
    {
      int digit;

      if (i == 8 || i == 13 || i == 18 || i == 23)
        {
          if (text[i] != '-')
            return FALSE;
          continue;
        }
      digit = g_ascii_xdigit_value (text[i]);
      if (digit < 0)
        return FALSE;
      if (n % 2 == 0)
        id->bytes[n / 2] = (guint8) (digit << 4);
      else
        id->bytes[n / 2] |= (guint8) digit;
      n++;
    }
  return TRUE;
}

/* Does the same, and requires that the text ends after the UUID. */
gboolean
_lsobs_id_parse_text (LsobsId *id, const char *text)
{
  return strlen (text) == LSOBS_UUID_LEN && _lsobs_id_parse (id, text);
}

gboolean
_lsobs_id_parse_example (LsobsId *id, const char *text, GError **error)
{
  if (_lsobs_id_parse_text (id, text))
    return TRUE;
  g_set_error_literal (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_VALUE,
                       _ ("The id of an example must be a UUID"));
  return FALSE;
}

/* The two digits of a byte. */
#define HEX_2(high, low) (high), (low)
#define HEX_ROW(high) \
 HEX_2 (high, '0'), HEX_2 (high, '1'), HEX_2 (high, '2'), HEX_2 (high, '3'), HEX_2 (high, '4'), \
     HEX_2 (high, '5'), HEX_2 (high, '6'), HEX_2 (high, '7'), HEX_2 (high, '8'), \
     HEX_2 (high, '9'), HEX_2 (high, 'a'), HEX_2 (high, 'b'), HEX_2 (high, 'c'), \
     HEX_2 (high, 'd'), HEX_2 (high, 'e'), HEX_2 (high, 'f')

static const char hex_digits[2 * 256] = {
  HEX_ROW ('0'), HEX_ROW ('1'), HEX_ROW ('2'), HEX_ROW ('3'), HEX_ROW ('4'), HEX_ROW ('5'),
  HEX_ROW ('6'), HEX_ROW ('7'), HEX_ROW ('8'), HEX_ROW ('9'), HEX_ROW ('a'), HEX_ROW ('b'),
  HEX_ROW ('c'), HEX_ROW ('d'), HEX_ROW ('e'), HEX_ROW ('f'),
};

/* Returns: the first character after them */
static inline char *
write_hex (char *text, const guint8 *bytes, guint n_bytes)
{
  for (guint i = 0; i < n_bytes; i++)
    memcpy (text + 2 * i, hex_digits + 2 * bytes[i], 2);
  return text + 2 * n_bytes;
}

/* Writes LSOBS_UUID_LEN characters, no NUL. */
void
_lsobs_id_write (const LsobsId *id, char *text)
{
  text = write_hex (text, id->bytes, 4);
  *text++ = '-';
  text = write_hex (text, id->bytes + 4, 2);
  *text++ = '-';
  text = write_hex (text, id->bytes + 6, 2);
  *text++ = '-';
  text = write_hex (text, id->bytes + 8, 2);
  *text++ = '-';
  write_hex (text, id->bytes + 10, 6);
}

gboolean
_lsobs_id_equal (const LsobsId *a, const LsobsId *b)
{
  return memcmp (a->bytes, b->bytes, sizeof a->bytes) == 0;
}

/* Returns: FALSE if @id is not of version 7 and thus contains no time */
gboolean
_lsobs_id_get_time (const LsobsId *id, gint64 *time_ms)
{
  if (id->bytes[6] >> 4 != 7)
    return FALSE;
  *time_ms = 0;
  for (guint i = 0; i < 6; i++)
    *time_ms = (*time_ms << 8) | id->bytes[i];
  return TRUE;
}

/* Replaces @id by the id that the run has in the replica of its trace in @project. All
 * records of the run, and all clients that use this method, get the same id: it is made of the
 * XXH3-128 of "<id>:<project>", is of version 7, and keeps the time of @id if that contains
 * one. */
void
_lsobs_id_remap (LsobsId *id, const char *project)
{
  gsize len = strlen (project);
  g_autofree char *heap = NULL;
  char stack[LSOBS_UUID_LEN + 1 + SHORT_PROJECT];
  char *text = len <= SHORT_PROJECT ? stack : (heap = g_malloc (LSOBS_UUID_LEN + 1 + len));
  XXH128_canonical_t hash;

  _lsobs_id_write (id, text);
  text[LSOBS_UUID_LEN] = ':';
  memcpy (text + LSOBS_UUID_LEN + 1, project, len);
  XXH128_canonicalFromHash (&hash, XXH3_128bits (text, LSOBS_UUID_LEN + 1 + len));

  if (id->bytes[6] >> 4 != 7)
    memcpy (id->bytes, hash.digest + 10, 6);
  id->bytes[6] = 0x70 | (hash.digest[0] & 0x0f);
  id->bytes[7] = hash.digest[1];
  id->bytes[8] = 0x80 | (hash.digest[2] & 0x3f);
  memcpy (id->bytes + 9, hash.digest + 3, 7);
}

static void
write_digits (char *text, guint n_digits, guint64 value)
{
  while (n_digits > 0)
    {
      text[--n_digits] = (char) ('0' + value % 10);
      value /= 10;
    }
}

/* The beginnings of the texts of all times in one second. */
typedef struct
{
  gint64 second; /* since 1970, and 1 more; 0: none */
  char stamp[LSOBS_STAMP_LEN - 7];
  char iso[LSOBS_ISO_LEN - 7];
} SecondText;

/* The last second that this thread has written: nearly always the next one, too. */
static __thread SecondText last_second;

/* Computes the date from the number of days in the proleptic Gregorian calendar. The years of
 * its 400-year eras begin in March, so that the leap day is the last one of its year. GDateTime
 * takes fifty times longer. */
static void
write_second (SecondText *text, gint64 seconds)
{
  gint64 days = seconds / 86400 + 719468;
  guint64 day_of_era = (guint64) days % 146097;
  guint64 year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  guint64 day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  guint64 month_from_march = (5 * day_of_year + 2) / 153;
  guint64 day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
  guint64 month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
  guint64 year = year_of_era + (guint64) days / 146097 * 400 + (month <= 2 ? 1 : 0);
  char *iso = text->iso;
  char *stamp = text->stamp;

  memcpy (iso, "YYYY-MM-DDTHH:MM:SS.", sizeof text->iso);
  write_digits (iso, 4, year);
  write_digits (iso + 5, 2, month);
  write_digits (iso + 8, 2, day);
  write_digits (iso + 11, 2, (guint64) (seconds % 86400 / 3600));
  write_digits (iso + 14, 2, (guint64) (seconds % 3600 / 60));
  write_digits (iso + 17, 2, (guint64) (seconds % 60));
  memcpy (stamp, iso, 4);
  memcpy (stamp + 4, iso + 5, 2);
  memcpy (stamp + 6, iso + 8, 5);
  memcpy (stamp + 11, iso + 14, 2);
  memcpy (stamp + 13, iso + 17, 2);
  text->second = seconds + 1;
}

/* @usec: (out): the µs of the second
 * Returns: (transfer none): valid until this thread writes another time */
static const SecondText *
peek_second (gint64 time_us, guint64 *usec)
{
  gint64 seconds;

  time_us = CLAMP (time_us, 0, LSOBS_MAX_TIME);
  seconds = time_us / G_USEC_PER_SEC;
  *usec = (guint64) (time_us % G_USEC_PER_SEC);
  if (last_second.second != seconds + 1)
    write_second (&last_second, seconds);
  return &last_second;
}

/* Writes LSOBS_STAMP_LEN characters, no NUL. */
static void
write_stamp (gint64 time_us, char *text)
{
  guint64 usec;

  memcpy (text, peek_second (time_us, &usec)->stamp, LSOBS_STAMP_LEN - 7);
  write_digits (text + LSOBS_STAMP_LEN - 7, 6, usec);
  text[LSOBS_STAMP_LEN - 1] = 'Z';
}

/* Writes LSOBS_ISO_LEN characters, no NUL. */
void
_lsobs_time_write_iso (gint64 time_us, char *text)
{
  guint64 usec;

  memcpy (text, peek_second (time_us, &usec)->iso, LSOBS_ISO_LEN - 7);
  write_digits (text + LSOBS_ISO_LEN - 7, 6, usec);
  text[LSOBS_ISO_LEN - 1] = 'Z';
}

/* Accepts only the form that _lsobs_time_write_iso() writes. */
gboolean
_lsobs_time_parse_iso (const char *text, gint64 *time_us)
{
  g_autoptr (GDateTime) parsed = NULL;

  if (strlen (text) != LSOBS_ISO_LEN || text[19] != '.' || text[26] != 'Z')
    return FALSE;
  parsed = g_date_time_new_from_iso8601 (text, NULL);
  if (parsed == NULL)
    return FALSE;
  *time_us = g_date_time_to_unix (parsed) * G_USEC_PER_SEC + g_date_time_get_microsecond (parsed);
  return TRUE;
}

/* Reads LSOBS_SEGMENT_LEN characters. The stamp must have six fraction digits. */
gboolean
_lsobs_segment_parse (LsobsSegment *segment, const char *text)
{
  static const int deltas[] = { 0, -1, 1 };
  char iso[LSOBS_ISO_LEN + 1];
  char again[LSOBS_STAMP_LEN];

  for (guint i = 0; i < LSOBS_STAMP_LEN; i++)
    if (i == 8 ? text[i] != 'T' : i == 21 ? text[i] != 'Z' : !g_ascii_isdigit (text[i]))
      return FALSE;
  if (!_lsobs_id_parse (&segment->id, text + LSOBS_STAMP_LEN))
    return FALSE;

  g_snprintf (iso, sizeof iso, "%.4s-%.2s-%.2sT%.2s:%.2s:%.2s.%.6sZ", text, text + 4, text + 6,
              text + 9, text + 11, text + 13, text + 15);
  if (!_lsobs_time_parse_iso (iso, &segment->start_time))
    return FALSE;
  /* GDateTime rounds fractions of a second as it reads them as a double: find the time that is
   * written as this stamp. */
  for (guint i = 0; i < G_N_ELEMENTS (deltas); i++)
    {
      write_stamp (segment->start_time + deltas[i], again);
      if (memcmp (again, text, LSOBS_STAMP_LEN) == 0)
        {
          segment->start_time += deltas[i];
          return TRUE;
        }
    }
  return FALSE;
}

/* Writes LSOBS_SEGMENT_LEN characters, no NUL. */
void
_lsobs_segment_write (const LsobsSegment *segment, char *text)
{
  write_stamp (segment->start_time, text);
  _lsobs_id_write (&segment->id, text + LSOBS_STAMP_LEN);
}

/* Checks what the dotted order alone shows: the form, and that no segment is earlier than its
 * parent.
 * Returns: (element-type LsobsSegment) (transfer full) (nullable): the segments, the root
 *   first */
GArray *
_lsobs_dotted_order_parse (const char *text, GError **error)
{
  g_autoptr (GArray) segments = g_array_new (FALSE, FALSE, sizeof (LsobsSegment));
  gsize len = strlen (text);

  if ((len + 1) % (LSOBS_SEGMENT_LEN + 1) != 0)
    {
      g_set_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_RUN,
                   g_dngettext (GETTEXT_PACKAGE,
                                "Invalid dotted order: %" PRIu64 " character cannot be a path of "
                                "segments of 58 characters each",
                                "Invalid dotted order: %" PRIu64 " characters cannot be a path of "
                                "segments of 58 characters each",
                                (gulong) len),
                   (guint64) len);
      return NULL;
    }
  if ((len + 1) / (LSOBS_SEGMENT_LEN + 1) > MAX_SEGMENTS)
    {
      g_set_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_RUN,
                   _ ("Invalid dotted order: deeper than %d segments"), MAX_SEGMENTS);
      return NULL;
    }
  for (gsize at = 0; at < len; at += LSOBS_SEGMENT_LEN + 1)
    {
      LsobsSegment segment;

      if (!_lsobs_segment_parse (&segment, text + at) ||
          (text[at + LSOBS_SEGMENT_LEN] != '\0' && text[at + LSOBS_SEGMENT_LEN] != '.'))
        {
          g_set_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_RUN,
                       _ ("Invalid dotted order: segment %u is not a time with six fraction "
                          "digits and a UUID"),
                       segments->len + 1);
          return NULL;
        }
      if (segments->len > 0 &&
          segment.start_time < g_array_index (segments, LsobsSegment, segments->len - 1).start_time)
        {
          g_set_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_RUN,
                       _ ("Invalid dotted order: segment %u is earlier than its parent"),
                       segments->len + 1);
          return NULL;
        }
      g_array_append_val (segments, segment);
    }
  return g_steal_pointer (&segments);
}

static gboolean
segment_is (GArray *segments, guint index, const char *id)
{
  char text[LSOBS_UUID_LEN];

  _lsobs_id_write (&g_array_index (segments, LsobsSegment, index).id, text);
  return strlen (id) == LSOBS_UUID_LEN && memcmp (text, id, LSOBS_UUID_LEN) == 0;
}

/* Checks the rules of the service for dotted orders. If one run breaks a rule, the service
 * refuses the whole request.
 * @parent_id: (nullable): NULL for a root */
gboolean
_lsobs_dotted_order_check (const char *dotted_order,
                           const char *id,
                           const char *trace_id,
                           const char *parent_id,
                           GError **error)
{
  g_autoptr (GArray) segments = _lsobs_dotted_order_parse (dotted_order, error);
  const char *broken = NULL;

  if (segments == NULL)
    return FALSE;
  if (parent_id == NULL && segments->len != 1)
    /* TRANSLATORS: follows “Invalid dotted order of run %s: ”. */
    broken = _ ("a run without a parent must have a path of one segment");
  else if (parent_id != NULL && segments->len < 2)
    /* TRANSLATORS: follows “Invalid dotted order of run %s: ”. */
    broken = _ ("a run with a parent must have a path of two segments at least");
  else if (!segment_is (segments, 0, trace_id))
    /* TRANSLATORS: follows “Invalid dotted order of run %s: ”. */
    broken = _ ("the path must begin with the trace id");
  else if (!segment_is (segments, segments->len - 1, id))
    /* TRANSLATORS: follows “Invalid dotted order of run %s: ”. */
    broken = _ ("the path must end with the id of the run");
  else if (parent_id != NULL && !segment_is (segments, segments->len - 2, parent_id))
    /* TRANSLATORS: follows “Invalid dotted order of run %s: ”. */
    broken = _ ("the last but one id of the path must be the parent's");
  if (broken == NULL)
    return TRUE;
  g_set_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_RUN,
               _ ("Invalid dotted order of run %s: %s"), id, broken);
  return FALSE;
}

/* Replaces each id of a valid dotted order by the id in the replica in @project. The stamps do
 * not change. */
void
_lsobs_dotted_order_remap (char *text, gsize len, const char *project)
{
  for (gsize at = LSOBS_STAMP_LEN; at < len; at += LSOBS_SEGMENT_LEN + 1)
    {
      LsobsId id;

      if (!_lsobs_id_parse (&id, text + at))
        g_return_if_reached ();
      _lsobs_id_remap (&id, project);
      _lsobs_id_write (&id, text + at);
    }
}
