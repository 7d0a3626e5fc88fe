#include "Delta.h"

namespace esper {

static constexpr uint32_t MAGIC = 0x64505345;  // "ESPd"
static constexpr uint32_t FLASH = Layout::MAPPED;
static constexpr uint32_t IRAM = 0x40100000;
static constexpr uint32_t DRAM = 0x3FFE8000;

void Delta::begin(const Relocation& image, uint32_t wanted, uint32_t address, uint32_t* out) {
    source = &image;
    sourceSize = image.size() - Layout::TRAILER;
    sequence = wanted;
    origin = address;
    sector = reinterpret_cast<uint8_t*>(out);
    at = count = left = run = filled = 0;
    window = 1;  // no word begins there
    sectorPlace = sectorLength = target = 0;
    behindCount = 0;
    after = 1;
    moveCount = movesRead = 0;
    stage = Stage::HEADER;
    Bit* const bits = reinterpret_cast<Bit*>(&models);
    for (uint32_t i = 0; i < sizeof(models) / sizeof(Bit); i++) {
        bits[i] = RangeDecoder::EVENLY;
    }
    input.begin();
}

Delta::Result Delta::proceed(bool ended) {
    for (;;) {
        if (sectorLength > 0 && filled == sectorLength) {
            return Result::SECTOR;
        }
        if (!ended && input.waiting() < MAX_SYMBOL) {
            return Result::HUNGRY;
        }
        if (stage == Stage::HEADER) {
            const Result result = header();
            if (result != Result::HUNGRY) {
                return result;
            }
            stage = Stage::START;
        } else if (!step()) {
            return Result::MALFORMED;
        }
    }
}

// HUNGRY: go on.
Delta::Result Delta::header() {
    if (input.waiting() < HEADER) {
        return Result::MALFORMED;
    }
    uint32_t words[HEADER / 4];
    for (uint32_t& word : words) {
        word = 0;
        for (uint32_t i = 0; i < 4; i++) {
            word |= static_cast<uint32_t>(input.raw()) << 8 * i;
        }
    }
    target = words[3];
    if (words[0] != MAGIC || target > Layout::SLOT_SIZE || target % 16 != 0 ||
        target < Layout::DESCRIPTOR + sizeof(Descriptor) + Layout::TRAILER) {
        return Result::MALFORMED;
    }
    if (words[1] != source->original(sourceSize) || words[2] != source->original(sourceSize + 4)) {
        return Result::SOURCE;
    }
    if (words[4] != sequence) {
        return Result::TARGET;
    }
    at = sectorPlace = start();
    next();
    return Result::HUNGRY;
}

// Begins the sector at sectorPlace, or the one behind the one that is filled.
void Delta::next() {
    if (filled > 0) {
        sectorPlace += sectorLength;
        if (sectorPlace == target) {
            sectorPlace = 0;
        }
    }
    const uint32_t rest = target - sectorPlace;
    sectorLength = rest < Layout::SECTOR ? rest : Layout::SECTOR;
    filled = 0;
    for (uint8_t i = 0; i < behindCount; i++) {
        sector[filled++] = behind[i];
    }
    behindCount = 0;
}

// False: what the delta says breaks a rule.
bool Delta::step() {
    Unit what;
    switch (stage) {
        case Stage::HEADER:
            return false;
        case Stage::START:
            input.start();
            moveCount = input.number(models.from);
            stage = moveCount == 0 ? Stage::RUN : Stage::MOVE;
            return moveCount <= MAX_MOVES;
        case Stage::MOVE: {
            const Move last = movesRead == 0 ? Move{DRAM, 0} : moves[movesRead - 1];
            const uint32_t from = last.from + input.number(models.from);
            moves[movesRead++] = {from, last.by + static_cast<uint32_t>(input.integer(models.by))};
            stage = movesRead == moveCount ? Stage::RUN : Stage::MOVE;
            return true;
        }
        case Stage::RUN:
            run = left = input.number(models.run[after]);
            stage = Stage::UNIT;
            return true;
        case Stage::UNIT:
            while (left > 0 && filled < sectorLength) {
                left--;
                if (!unit(what)) {
                    return false;
                }
                uint32_t bytes = what.bytes;
                bool chosen = false;
                if (what.kind != Kind::PLAIN) {
                    const uint32_t place = pc();
                    bytes = moved(what, place);
                    chosen = bytes != what.bytes;
                    if (chosen && !input.bit(models.moved[context(what, place)])) {
                        bytes = what.bytes;
                    }
                }
                emit(bytes, what.length);
                at += what.length;
                if (chosen) {
                    return true;  // the next bit may need more of the delta
                }
            }
            stage = left > 0 ? Stage::UNIT : Stage::KIND;
            return true;
        case Stage::KIND: {
            if (input.bit(models.isBreak[after])) {
                stage = Stage::INSERT;
                return true;
            }
            if (!unit(what)) {
                return false;
            }
            uint32_t bytes = moved(what, pc());
            for (uint32_t i = 0; i < what.length; i++) {
                if (input.bit(models.differs[i])) {
                    const uint32_t byte = (bytes >> 8 * i) + input.byte(models.change);
                    bytes = (bytes & ~(0xFFu << 8 * i)) | (byte & 0xFF) << 8 * i;
                }
            }
            emit(bytes, what.length);
            at += what.length;
            after = 0;
            stage = Stage::RUN;
            return true;
        }
        case Stage::INSERT:
            left = input.number(models.insert);
            stage = Stage::LITERAL;
            // Two breaks without anything between them could go on for ever.
            return left <= target - count && (left > 0 || run > 0 || after == 0);
        case Stage::LITERAL:
            if (left == 0) {
                stage = Stage::JUMP;
                return true;
            }
            left--;
            emit(input.byte(models.literal), 1);
            return true;
        case Stage::JUMP:
            at += static_cast<uint32_t>(input.integer(models.jump));
            after = 1;
            stage = Stage::RUN;
            return at <= sourceSize;
    }
    return false;
}

// The unit at the source's place. False: there is none, or no room for it in the image.
bool Delta::unit(Unit& out) {
    if (at >= sourceSize) {
        return false;
    }
    // It begins in the first of these words and ends in it or in the next. Units follow each other
    // mostly, so one of them is read already.
    const uint32_t first = at & ~3u;
    if (first != window) {
        words[0] = first == window + 4 ? words[1] : source->word(first);
        words[1] = sourceSize - first > 4 ? source->word(first + 4) : 0;
        window = first;
    }
    const uint32_t inWord = at - first;
    const uint32_t low = words[0] >> 8 * inWord;
    out.bytes = inWord == 0 ? low : low | words[1] << (32 - 8 * inWord);
    out.kind = Kind::PLAIN;
    if (inWord == 0 && isAddress(words[0])) {
        out.kind = Kind::WORD;
        out.length = 4;
        out.target = out.bytes;
        return target - count >= 4;
    }
    out.length = out.bytes & 8 ? 2 : 3;
    if (inWord + out.length > 4 && (first + 4 == sourceSize || isAddress(words[1]))) {
        // A word that is an address is one, even if it lies within what looks like an instruction.
        out.length = static_cast<uint8_t>(4 - inWord);
    }
    if (out.length == 3) {
        const uint32_t place = FLASH + origin + at;
        const uint32_t in = out.bytes & 0xFFFFFF;
        const uint32_t far = static_cast<uint32_t>(static_cast<int32_t>(in << 8) >> 14);
        if ((in & 0x0F) == 0x01) {
            out.kind = Kind::L32R;
            out.target = ((place + 3) & ~3u) + (in >> 8 << 2 | 0xFFFC0000);
        } else if ((in & 0x3F) == 0x05) {
            out.kind = Kind::CALL0;
            out.target = (place & ~3u) + 4 + (far << 2);
        } else if ((in & 0x3F) == 0x06) {
            out.kind = Kind::J;
            out.target = place + 4 + far;
        }
    }
    out.bytes &= (1u << 8 * out.length) - 1;
    return target - count >= out.length;
}

// The unit's bytes at pc if what it names has moved as the table says; as they are if they cannot
// name it.
uint32_t Delta::moved(const Unit& u, uint32_t pc) const {
    if (u.kind == Kind::PLAIN) {
        return u.bytes;
    }
    uint32_t low = 0;  // moves that begin up to the address
    uint32_t high = moveCount;
    while (low < high) {
        const uint32_t middle = (low + high) / 2;
        moves[middle].from > u.target ? high = middle : low = middle + 1;
    }
    const uint32_t named = low == 0 ? u.target : u.target + moves[low - 1].by;
    uint32_t far;
    switch (u.kind) {
        case Kind::WORD:
            return named;
        case Kind::L32R:
            far = named - ((pc + 3) & ~3u);
            return far % 4 == 0 && far >> 18 == 0x3FFF ? (u.bytes & 0xFF) | (far >> 2 & 0xFFFF) << 8
                                                       : u.bytes;
        case Kind::CALL0:
            far = named - ((pc & ~3u) + 4);
            return far % 4 == 0 && far + (1u << 19) < 1u << 20
                       ? (u.bytes & 0x3F) | (far >> 2 & 0x3FFFF) << 6
                       : u.bytes;
        default:
            far = named - (pc + 4);
            return far + (1u << 17) < 1u << 18 ? (u.bytes & 0x3F) | (far & 0x3FFFF) << 6 : u.bytes;
    }
}

// Where the next byte that is made will lie.
uint32_t Delta::pc() const {
    uint32_t place = count + start();
    if (place >= target) {
        place -= target;
    }
    return FLASH + origin + place;
}

uint32_t Delta::context(const Unit& u, uint32_t pc) {
    if (u.kind == Kind::WORD) {
        return u.target < IRAM ? 0 : u.target < FLASH ? 1 : 2;
    }
    uint32_t reach = u.target - pc;
    if (reach & 0x80000000) {
        reach = 0 - reach;
    }
    uint32_t length = 0;
    for (reach >>= 4; reach > 0 && length < 15; reach >>= 1) {
        length++;
    }
    return 3 + 16 * (static_cast<uint32_t>(u.kind) - static_cast<uint32_t>(Kind::L32R)) + length;
}

bool Delta::isAddress(uint32_t word) {
    return word - DRAM < 0x18000 || word - IRAM < 0x8000 || word - FLASH < 0x100000;
}

void Delta::emit(uint32_t bytes, uint32_t length) {
    count += length;
    for (; length > 0; length--, bytes >>= 8) {
        const uint8_t byte = static_cast<uint8_t>(bytes);
        if (filled < sectorLength) {
            sector[filled++] = byte;
        } else {
            behind[behindCount++] = byte;
        }
    }
}

}  // namespace esper
