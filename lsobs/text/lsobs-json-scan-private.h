/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <string.h>

#include <glib.h>

#ifdef __SSE2__
# include <emmintrin.h>
#endif

G_BEGIN_DECLS

#define LSOBS_UTF8_REPLACEMENT "\xef\xbf\xbd"

/* Whether @c must be escaped in a JSON string.
 * @or_high: TRUE: or is not ASCII */
static inline gboolean
_lsobs_json_is_special (char c, gboolean or_high)
{
  return (guchar) c < 0x20 || c == '"' || c == '\\' || (or_high && (guchar) c >= 0x80);
}

#ifdef __SSE2__
/* Returns: all bits of each byte that must be escaped
 * @or_high: TRUE: or is not ASCII */
static inline __m128i
_lsobs_json_mark_specials (__m128i bytes, gboolean or_high)
{
  /* That makes 0x20 of a quote, whose code is 0x22, and leaves control characters below that. No other
   * byte becomes one of these. */
  __m128i shifted = _mm_xor_si128 (bytes, _mm_set1_epi8 ('"' ^ 0x20));
  __m128i low;

  /* A comparison with signs takes bytes that are not ASCII for negative numbers. */
  if (or_high)
    low = _mm_cmpgt_epi8 (_mm_set1_epi8 (0x21), shifted);
  else
    low = _mm_cmpeq_epi8 (_mm_min_epu8 (shifted, _mm_set1_epi8 (0x20)), shifted);
  return _mm_or_si128 (low, _mm_cmpeq_epi8 (bytes, _mm_set1_epi8 ('\\')));
}

/* Returns: a bit for each byte that must be escaped, the lowest for the first
 * @or_high: TRUE: or is not ASCII */
static inline guint
_lsobs_json_find_specials (__m128i bytes, gboolean or_high)
{
  return (guint) _mm_movemask_epi8 (_lsobs_json_mark_specials (bytes, or_high));
}

static inline __m128i
_lsobs_json_load (const char *p)
{
  return _mm_loadu_si128 ((const __m128i *) (const void *) p);
}
#endif

/* Returns: the first byte from @p on that is a quote, a backslash, a control character or, with
 *   @or_high, not ASCII; @end if no byte is. @or_high is a constant in each call. */
static inline const char *
_lsobs_json_scan (const char *p, const char *end, gboolean or_high)
{
#ifdef __SSE2__
  for (; end - p >= 16; p += 16)
    {
      guint mask = _lsobs_json_find_specials (_lsobs_json_load (p), or_high);

      if (mask != 0)
        return p + __builtin_ctz (mask);

      /* What is longer is mostly much longer. */
      for (; end - p >= 48; p += 32)
        {
          __m128i first = _lsobs_json_mark_specials (_lsobs_json_load (p + 16), or_high);
          __m128i second = _lsobs_json_mark_specials (_lsobs_json_load (p + 32), or_high);

          if (_mm_movemask_epi8 (_mm_or_si128 (first, second)) == 0)
            continue;
          mask = (guint) _mm_movemask_epi8 (first) | (guint) _mm_movemask_epi8 (second) << 16;
          return p + 16 + __builtin_ctz (mask);
        }
    }
#else
  const guint64 ones = G_GUINT64_CONSTANT (0x0101010101010101);
  const guint64 highs = ones << 7;

  for (; end - p >= 8; p += 8)
    {
      guint64 bytes;
      guint64 quotes;
      guint64 backslashes;
      guint64 hits;

      memcpy (&bytes, p, sizeof bytes);
      quotes = bytes ^ (ones * '"');
      backslashes = bytes ^ (ones * '\\');
      hits = (bytes - ones * 0x20) & ~bytes;
      hits |= (quotes - ones) & ~quotes;
      hits |= (backslashes - ones) & ~backslashes;
      if (or_high)
        hits |= bytes;

      /* A borrow may mark further bytes. The loop below finds the right one. */
      if ((hits & highs) != 0)
        break;
    }
#endif

  while (p < end && !_lsobs_json_is_special (*p, or_high))
    p++;

  return p;
}

static inline gboolean
_lsobs_json_is_ascii (const char *text, gsize len)
{
  const guint64 highs = G_GUINT64_CONSTANT (0x8080808080808080);
  guint64 words[4];
  guint64 seen = 0;

  for (; len >= sizeof words; text += sizeof words, len -= sizeof words)
    {
      memcpy (words, text, sizeof words);
      seen |= words[0] | words[1] | words[2] | words[3];
    }
  for (; len > 0; text++, len--)
    seen |= (guchar) *text;
  return (seen & highs) == 0;
}

static inline gboolean
_lsobs_utf8_is_continuation (char c)
{
  return ((guchar) c & 0xc0) == 0x80;
}

/* Whether @second is valid after the first byte @c of a character. */
static inline gboolean
_lsobs_utf8_is_second (guchar c, guchar second)
{
  guchar low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
  guchar high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;

  return second >= low && second <= high;
}

/* Returns: the length of the character at @p in bytes; 0 if it is not valid UTF-8. Surrogates and
 *   overlong forms are not valid, noncharacters and U+0000 are. @p is less than @end. */
static inline gsize
_lsobs_utf8_length (const char *p, const char *end)
{
  guchar c = (guchar) *p;
  gsize len = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;

  if (len < 2)
    return len;

  if ((gsize) (end - p) < len || !_lsobs_utf8_is_second (c, (guchar) p[1]) ||
      (len > 2 && !_lsobs_utf8_is_continuation (p[2])) ||
      (len > 3 && !_lsobs_utf8_is_continuation (p[3])))
    return 0;

  return len;
}

/* Returns: the length to which valid UTF-8 is cut so that it has at most @max bytes and ends with
 *   a whole character */
static inline gsize
_lsobs_utf8_cut (const char *text, gsize len, gsize max)
{
  if (len <= max)
    return len;

  while (max > 0 && _lsobs_utf8_is_continuation (text[max]))
    max--;

  return max;
}

G_END_DECLS
