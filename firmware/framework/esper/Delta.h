#pragma once

#include <stdint.h>

#include "BootConfiguration.h"
#include "RangeDecoder.h"
#include "Relocation.h"

namespace esper {

// Makes a release's image for the standby slot of the running one and a delta (SPEC 6.1), sector by
// sector: the second one first and the first one last. What it makes is not trusted; it neither
// reads nor writes outside of what it is given. It lives in the heap, without a constructor:
// begin() comes first.
class Delta {
  public:
    enum class Result : uint8_t {
        HUNGRY,     // more of the delta is needed
        SECTOR,     // a sector is ready
        MALFORMED,  // the delta breaks a rule
        SOURCE,     // it is not from the running image
        TARGET,     // it leads to another release
    };

    // Begins to make a release with this sequence from the running image, of which origin is the
    // place in flash that the image that is made will have. Sectors come into `sector`.
    void begin(const Relocation& source, uint32_t sequence, uint32_t origin, uint32_t* sector);

    RangeDecoder input;

    // Goes on until a sector is ready or more is needed. `ended`: there is no more of the delta.
    Result proceed(bool ended);

    // The sector that is ready: its place in the image, and its length, which is shorter for the
    // last.
    uint32_t place() const { return sectorPlace; }
    uint32_t length() const { return sectorLength; }
    uint32_t made() const { return count; }  // bytes
    uint32_t size() const { return target; }

    // The caller has taken the sector.
    void next();

  private:
    static constexpr uint32_t HEADER = 20;       // bytes
    static constexpr uint32_t MAX_SYMBOL = 160;  // bytes of input that a step may need
    static constexpr uint32_t MAX_MOVES = 256;

    using Bit = RangeDecoder::Bit;

    enum class Stage : uint8_t { HEADER, START, MOVE, RUN, UNIT, KIND, INSERT, LITERAL, JUMP };

    enum class Kind : uint8_t { PLAIN, WORD, L32R, CALL0, J };

    // What lies at a place: a word that is an address, an instruction, or bytes before such a word.
    struct Unit {
        Kind kind;
        uint8_t length;   // bytes
        uint32_t bytes;   // as they are; behind them zeros
        uint32_t target;  // the address that it names
    };

    // Addresses from here on lie elsewhere in the new image.
    struct Move {
        uint32_t from;
        uint32_t by;
    };

    struct Models {
        RangeDecoder::Number from;
        RangeDecoder::Integer by;
        RangeDecoder::Number run[2];  // after a substitution, after a break
        Bit isBreak[2];               // the same
        Bit moved[3 +
                  3 * 16];  // by what moved: the memory of a word; the instruction and its reach
        Bit differs[4];     // by the byte of the unit
        RangeDecoder::Byte change;
        RangeDecoder::Number insert;
        RangeDecoder::Byte literal;
        RangeDecoder::Integer jump;
    };

    Result header();
    bool step();
    bool unit(Unit& out);
    uint32_t moved(const Unit& unit, uint32_t pc) const;
    uint32_t pc() const;
    static uint32_t context(const Unit& unit, uint32_t pc);
    static bool isAddress(uint32_t word);
    void emit(uint32_t bytes, uint32_t length);
    uint32_t start() const { return target > Layout::SECTOR ? Layout::SECTOR : 0; }

    const Relocation* source;
    uint32_t sourceSize;  // bytes, without the trailer
    uint32_t sequence;
    uint32_t origin;
    uint32_t target;  // bytes of the image that is made
    uint32_t at;      // in the source
    uint32_t window;  // of the source: where these words begin
    uint32_t words[2];
    uint32_t count;  // bytes made
    uint32_t left;   // of a run in units, or of literals
    uint32_t run;    // as it was at its beginning
    uint32_t sectorPlace;
    uint32_t sectorLength;
    uint8_t* sector;
    uint32_t filled;    // bytes of the sector
    uint8_t behind[3];  // bytes of a unit that begins in this sector and ends in the next
    uint8_t behindCount;
    uint8_t after;  // what came before: 0 a substitution, 1 a break
    Stage stage;
    uint32_t moveCount;
    uint32_t movesRead;
    Move moves[MAX_MOVES];
    Models models;
};

}  // namespace esper
