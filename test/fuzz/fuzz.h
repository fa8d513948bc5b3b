/* SPDX-License-Identifier: MPL-2.0 */
/* fuzz.h - what a fuzz target is: a function that takes any bytes.  It must return, and asserts
 * what must hold for the code under test, so a wrong answer is found as well as a crash.
 *
 * Built with -Dfuzzers=true (clang) each target is a libFuzzer program:
 *     build/test/fuzz/fuzz_key -max_total_time=60 NEW_CORPUS test/fuzz/corpus/key
 * In every build replay.c runs it on its corpus and on mutations of it (suite "fuzz").  An input
 * that was a bug once belongs into the corpus.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include "base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
