package http1

// AppendDate appends the time, in seconds since 1970, as HTTP writes it (RFC
// 9110, Section 5.6.7): "Sun, 06 Nov 1994 08:49:37 GMT". It is for the years
// from 1970 to 9999; an answer has three of them, so it must not cost much.
func AppendDate(out []byte, seconds int64) []byte {
	const days, months = "ThuFriSatSunMonTueWed", "JanFebMarAprMayJunJulAugSepOctNovDec"
	day, second := seconds/86400, seconds%86400
	year, month, date := civil(day)
	weekday := day % 7 * 3
	month = 3 * (month - 1)
	out = append(out, days[weekday:weekday+3]...)
	out = append(out, ',', ' ', digit(date/10), digit(date), ' ')
	out = append(out, months[month:month+3]...)
	return append(out, ' ', digit(year/1000), digit(year/100), digit(year/10), digit(year),
		' ', digit(second/36000), digit(second/3600%10), ':', digit(second/600%6), digit(second/60%10),
		':', digit(second%60/10), digit(second%10), ' ', 'G', 'M', 'T')
}

func digit(n int64) byte { return byte('0' + n%10) }

// civil is the date of a day counted from 1 January 1970. Years are counted
// from March, so that the leap day is the last of its year.
func civil(day int64) (year, month, date int64) {
	const perEra = 146097 // days of 400 years
	day += 719468         // from 1 March of the year 0
	era, of := day/perEra, day%perEra
	y := (of - of/1460 + of/36524 - of/146096) / 365
	of -= 365*y + y/4 - y/100
	m := (5*of + 2) / 153
	date = of - (153*m+2)/5 + 1
	year, month = era*400+y, m+3
	if m >= 10 {
		month -= 12
		year++
	}
	return year, month, date
}
