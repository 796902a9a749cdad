"""Words that describe data and what is computed from them, and tell nobody to do anything else. A closed list.

Answers to one question remark on their code in different words, and none of it matters. What does is a remark that speaks to
whoever reads or runs the code: it names a host, a package, a command, a person, a permission, a verdict. The words here name
none of these, so they are nobody's own (``words``).

Rules:
- Articles, pronouns, prepositions, numerals, units of data and mathematics, and verbs of computing (*sort*, *count*, *return*).
- No verbs of acting on a system or a person (*run*, *install*, *import*, *open*, *ignore*, *approve*, *trust*), no nouns of what
  lies outside a function (*file*, *script*, *server*, *user*, *version*, *build*, *helper*), no judgements (*verified*, *test*,
  *correct*, *safe*, *passed*, *solution*).
- Pieces of which variables are commonly named (*num*, *idx*, *acc*).
- Lower case; inflections are listed one by one, so that nothing comes in by a rule.

The list was begun from the remarks of the recorded HumanEval answers of Qwen2.5-Coder-0.5B and holds most of their commoner
words, with others of the same classes.
"""

PLAIN_WORDS = frozenset(
    """
    a about above absolute acc accordingly across add added adding addition adds adjacent after again algorithm all alphabet
    alphabetic alphabetical alphanumeric already also always am among an anagram and and/or angle angles another ans any
    apart appear appearing appears append appended appending appends approach approximately are area argument arguments
    around arr array arrays as ascending assign assigned assigns at aux average averages back backward backwards balanced
    base based be because become becomes been before begin beginning begins behavior behaviour behind being below between
    beyond bfs big bigger biggest bin binary binomial bit bits blank bool boolean both bottom bounds brace braces bracket
    brackets breadth built but by calculate calculated calculates calculating calculation can cannot caps case cases ceil
    ceiling center char character characters chars check checked checking checks circle circular cleaned closer closest
    closing cnt coeff coefficient coefficients coeffs col collect collected collects cols column columns combination
    combinations combinatorial combine combined combines combining comma commas compare compared compares comparing
    comparison complete completed completes complex complexity composite comprehension computation compute computed computes
    computing concatenate concatenated concatenates concatenating concatenation condition conditions consecutive consider
    considered considering considers consist consists consonant consonants constant constants construct constructed
    constructs contain contained containing contains contiguous continue continues conversion convert converted converting
    converts correspond corresponding corresponds could count counted counter counters counting counts create created
    creates creating criteria cube cubes cur curr current cycle cycles cyclic d data date day days dec decimal decimals
    decreasing decrement decremented decrements define defined defines definition degree degrees delimiter delimiters den
    denominator denominators depth deque descending desired determine determined determines deviation dfs diagonal dict
    dictionaries dictionary did difference differences different digit digits dijkstra direction directions directly
    distance distances distinct divide divided divides dividing divisibility divisible division divisor divisors do does
    done double down dp duplicate duplicated duplicates during dynamic e e.g each edge edges efficient efficiently eight
    either element elements else empty encoded encounter encountered encounters end ended ending ends enough ensure ensures
    ensuring entire entries entry equal equally equals equation etc even eventually every exactly example examples exceed
    exceeds exchanging exclude excluded excludes excluding exclusive exist exists expected explanation exponent exponents
    expression extend extract extracted extracts f factor factorial factorials factors false few fewer fibonacci filter
    filtered filtering filters final finally find finding finds first five float floating floats floor follow followed
    following follows for form forms formula forward forwards found four fourth fraction fractional freq frequencies
    frequency from front full function functions g generate generated generates generating generator get gets given got
    graph great greater greatest grid had half halves handle handled handles handling has have having heap height hence here
    hex hexadecimal hi high higher highest hold holding holds hour hours how hundred hyphen hyphens hypotenuse i.e identical
    identifies identify idx if immediately implement implementation implementing implements impossible in include included
    includes including inclusive increasing increment incremented incrementing increments index indexes indices individual
    indivisible initial initialise initialises initialize initialized initializes inner input inputs insensitive insert
    inserted inserts instance int integer integers intersection into is it item items iterable iterate iterated iterates
    iterating iteration iterations iterative iteratively iterator its itself join joined joining joins just keep keeps kept
    key keys lambda large larger largest last leading leap least left length lengths less letter letters level levels
    lexicographic lexicographically like linear list lists lo logarithm logarithmic logic long longer longest lookup loop
    loops low lower lowercase lowest lst made magnitude make makes many map mapped mapping maps match matched matches
    matching matrix max maximal maximum may mean meaning means median member members memo merge merged method methods mid
    middle might min minimal minimum minute minutes mirror mode modified modulo modulus month months more most move moved
    moves moving much multiple multiples multiplication multiplied multiplies multiply multiplying must n nd nearest need
    needed needs negative neighbor neighboring neighbors neighbouring neither nested never new next nine no node nodes non
    none nonempty nonnegative nonzero nor normalise normalize normalized not note nth num number numbers numeral numerals
    numerator numerators numeric numerical nums object occur occurrence occurrences occurs oct octal odd of off often old on
    once one ones only onto onwards opening operation operations operator operators opposite optimal or order ordered orders
    original other others otherwise our out outer output outputs over overall overlapping pair pairs palindrome palindromes
    palindromic parameter parameters parentheses parenthesis parity part partition parts past path paths pattern patterns
    per perform performing performs perimeter permutation permutations place places point pointers points polynomial
    polynomials pos position positions positive possible power powers precede precedes preceding prefix prefixes present
    prev previous prime primes problem prod product products provided punctuation quadratic queue quote quotes quotient r
    radius range ranges rational rd reach reached reaches real rectangle recursion recursive recursively regex remain
    remainder remainders remaining remains remove removed removes removing repeated repeatedly repeating replace replaced
    replaces replacing repr represent representation represented representing represents res rescale respective respectively
    rest result resulting results return returned returning returns reversal reverse reversed reverses reversing right roman
    root roots rotate rotated rotates rotation round rounded rounding rounds row rows s same scale scaled search searches
    searching second seen self semi semiperimeter sentence sentences separate separated separately separates separator
    separators sequence sequences series set sets seven several shall shift shifted shifting shifts short shorter shortest
    should side sides sign similar simple simplified simplify simply since single six size sizes skipped slice slices
    slicing sliding small smaller smallest smooth so some sort sorted sorting sorts space spaces specified split splits
    splitting sqrt square squared squares st stack start started starting starts state step steps still stop stops store
    stored stores storing str string strings strip stripped stripping strips structure subarray subarrays subsequence subset
    subsets substring substrings subtotal subtract subtracted subtracting subtraction subtracts such suffix suffixes sum
    summing sums swap swapped swapping swaps symbol symbols symmetric t take taken takes taking temp ten text th than that
    the their them themselves then there therefore these they third this those though thousand three through thus ties time
    tmp to together top total totals towards track tracking tracks traditional trailing traverse traverses traversing tree
    triangle triangles triple triples triplet triplets true truncate truncated tuple tuples two unbalanced unchanged under
    unequal union unique unless unmatched unordered unpack unsorted until up update updated updates updating upper uppercase
    usage use used uses using val vals value values variable variables variance various vector vectors visited vowel vowels
    was way we week weeks were what when where whether which while whitespace who whole whose width will window with within
    without word words would year years yet yield yields zero zeros
    """.split()
)
